/* The few declarations of ONNX Runtime's C interface that a custom operator needs.
 *
 * Wheels of ONNX Runtime have no headers. Its interface is a table of functions that only ever grows at its end
 * (https://onnxruntime.ai/docs/api/c/), so that the place of a function is as good as its name. */

#pragma once

#include <cstddef>
#include <cstdint>

struct OrtStatus;
struct OrtKernelInfo;
struct OrtKernelContext;
struct OrtValue;
struct OrtSessionOptions;
struct OrtCustomOpDomain;
struct OrtTypeAndShape;
struct OrtShapeInferContext;

struct OrtApi {
    void (*functions[275])();
};

struct OrtApiBase {
    const OrtApi* (*get_api)(uint32_t version);
    const char* (*get_version)();
};

/* Version 18 has all functions that are called here, and all fields of OrtCustomOp. */
constexpr uint32_t API_VERSION = 18;

constexpr int UNDEFINED = 0, FLOAT = 1, INT8 = 3; /* element types */
constexpr int OPTIONAL = 1;                       /* a characteristic of inputs and outputs */

template <int place, typename Result, typename... Arguments>
struct ApiFunction {
    static Result call(const OrtApi* api, Arguments... arguments) {
        return reinterpret_cast<Result (*)(Arguments...)>(api->functions[place])(arguments...);
    }
};

using CreateStatus = ApiFunction<0, OrtStatus*, int, const char*>;
using CreateDomain = ApiFunction<26, OrtStatus*, const char*, OrtCustomOpDomain**>;
using AddToDomain = ApiFunction<27, OrtStatus*, OrtCustomOpDomain*, const struct OrtCustomOp*>;
using UseDomain = ApiFunction<28, OrtStatus*, OrtSessionOptions*, OrtCustomOpDomain*>;
using TensorData = ApiFunction<51, OrtStatus*, const OrtValue*, void**>;
using CreateShape = ApiFunction<57, OrtStatus*, OrtTypeAndShape**>;
using SetElementType = ApiFunction<58, OrtStatus*, OrtTypeAndShape*, int>;
using SetDimensions = ApiFunction<59, OrtStatus*, OrtTypeAndShape*, const int64_t*, size_t>;
using ElementType = ApiFunction<60, OrtStatus*, const OrtTypeAndShape*, int*>;
using NumDimensions = ApiFunction<61, OrtStatus*, const OrtTypeAndShape*, size_t*>;
using Dimensions = ApiFunction<62, OrtStatus*, const OrtTypeAndShape*, int64_t*, size_t>;
using ShapeOf = ApiFunction<65, OrtStatus*, const OrtValue*, OrtTypeAndShape**>;
using FloatAttribute = ApiFunction<85, OrtStatus*, const OrtKernelInfo*, const char*, float*>;
using IntAttribute = ApiFunction<86, OrtStatus*, const OrtKernelInfo*, const char*, int64_t*>;
using Input = ApiFunction<90, OrtStatus*, const OrtKernelContext*, size_t, const OrtValue**>;
using Output = ApiFunction<91, OrtStatus*, OrtKernelContext*, size_t, const int64_t*, size_t, OrtValue**>;
using ReleaseStatus = ApiFunction<93, void, OrtStatus*>;
using ReleaseShape = ApiFunction<99, void, OrtTypeAndShape*>;
using InferredInput = ApiFunction<268, OrtStatus*, const OrtShapeInferContext*, size_t, OrtTypeAndShape**>;
using InferOutput = ApiFunction<270, OrtStatus*, OrtShapeInferContext*, size_t, const OrtTypeAndShape*>;
using SetSymbolicDimensions = ApiFunction<271, OrtStatus*, OrtTypeAndShape*, const char**, size_t>;
using ParallelFor = ApiFunction<274, OrtStatus*, const OrtKernelContext*, void (*)(void*, size_t), size_t, size_t, void*>;

struct OrtCustomOp {
    uint32_t version;
    void* (*create)(const OrtCustomOp*, const OrtApi*, const OrtKernelInfo*);
    const char* (*name)(const OrtCustomOp*);
    const char* (*provider)(const OrtCustomOp*);
    int (*input_type)(const OrtCustomOp*, size_t);
    size_t (*num_inputs)(const OrtCustomOp*);
    int (*output_type)(const OrtCustomOp*, size_t);
    size_t (*num_outputs)(const OrtCustomOp*);
    void (*compute)(void*, OrtKernelContext*);
    void (*destroy)(void*);
    int (*input_characteristic)(const OrtCustomOp*, size_t);
    int (*output_characteristic)(const OrtCustomOp*, size_t);
    int (*input_memory)(const OrtCustomOp*, size_t);
    int (*variadic[4])(const OrtCustomOp*);
    OrtStatus* (*try_create)(const OrtCustomOp*, const OrtApi*, const OrtKernelInfo*, void**);
    OrtStatus* (*try_compute)(void*, OrtKernelContext*);
    OrtStatus* (*infer_shapes)(const OrtCustomOp*, OrtShapeInferContext*);
    int (*first_version)(const OrtCustomOp*);
    int (*last_version)(const OrtCustomOp*);
    void (*aliases[4])();
};
