/* Attention of one new position to a cache, as ONNX Runtime's contrib operator GroupQueryAttention computes it where
 * all heads have keys and values of their own: scaled dot-product attention (Vaswani et al. 2017, section 3.2.1).
 *
 * Registered under that operator's name, so that it takes its place in any graph, and graphs run without it as well.
 * ONNX Runtime's own works through general matrix products, head by head, whose overhead is most of its time where a row
 * has one query. This one is two plain loops over the positions of a row and head.
 *
 * A row's result depends on that row alone, bit by bit. */

#include "onnxruntime_c.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#define INLINED static inline __attribute__((always_inline))

/* Inputs of the operator. */
enum { QUERY = 0, NEW_KEYS = 1, KEYS = 3, VALUES = 4, LAST = 5, KEY_SCALE = 12, VALUE_SCALE = 13, NUM_INPUTS = 14 };
enum { CONTEXT = 0, NEXT_KEYS = 1, NEXT_VALUES = 2, NUM_OUTPUTS = 3 };

/* One call, with buffers of keys and values [rows, heads, positions, size]. */
struct Call {
    const float* query; /* [rows, heads, size]; where it is packed, [rows, 3, heads, size] with new keys and values */
    bool is_packed;
    void* keys;
    void* values;
    float key_scale, value_scale; /* what 1 stands for in keys and values of int8 */
    bool is_int8;
    const int32_t* last; /* [rows], the last position that is attended to; the one that is written, where packed */
    float scale;         /* of products of queries and keys */
    float* context;      /* [rows, heads, size] */
    int64_t rows, heads, positions, size;
};

namespace plain {
#include "attention_rows.h"
}
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
#define FOR_AVX2
#include "attention_rows.h"
#undef FOR_AVX2
}
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512")
namespace avx512 {
#define FOR_AVX512
#include "attention_rows.h"
#undef FOR_AVX512
}
#pragma GCC pop_options
#endif

typedef void (*AttendRow)(const Call&, int64_t);

AttendRow best_for_this_processor() {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return avx512::attend_row;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::attend_row;
#endif
    return plain::attend_row;
}

const AttendRow attend_row = best_for_this_processor();

struct Kernel {
    const OrtApi* api;
    int64_t heads;
    float scale;
};

/* Fails with the status of the first function that fails. */
#define CHECK(...)                                 \
    if (OrtStatus* status = (__VA_ARGS__)) return status

OrtStatus* shape_of(const OrtApi* api, const OrtValue* value, std::vector<int64_t>& shape, int* type = nullptr) {
    OrtTypeAndShape* info;
    size_t number;
    CHECK(ShapeOf::call(api, value, &info));
    OrtStatus* status = NumDimensions::call(api, info, &number);
    if (!status) shape.resize(number);
    if (!status) status = Dimensions::call(api, info, shape.data(), number);
    if (!status && type) status = ElementType::call(api, info, type);
    ReleaseShape::call(api, info);
    return status;
}

/* The data of an input, or null where the graph leaves it out. */
template <typename Type>
OrtStatus* data_of(const OrtApi* api, const OrtKernelContext* context, size_t number, Type** data) {
    const OrtValue* value = nullptr;
    void* found = nullptr;
    CHECK(Input::call(api, context, number, &value));
    if (value) CHECK(TensorData::call(api, value, &found));
    *data = static_cast<Type*>(found);
    return nullptr;
}

/* Where the next step finds keys or values: in the buffer itself, where it is bound as output too, else in a copy. */
OrtStatus* next_buffer(
    const OrtApi* api, OrtKernelContext* context, size_t number, const std::vector<int64_t>& shape, size_t bytes, void** data
) {
    OrtValue* value = nullptr;
    void* output = nullptr;
    CHECK(Output::call(api, context, number, shape.data(), shape.size(), &value));
    if (!value) return nullptr;
    CHECK(TensorData::call(api, value, &output));
    if (output != *data) std::memcpy(output, *data, bytes);
    *data = output;
    return nullptr;
}

OrtStatus* compute(void* op, OrtKernelContext* context) {
    const Kernel& kernel = *static_cast<Kernel*>(op);
    const OrtApi* api = kernel.api;
    const OrtValue *query, *keys;
    std::vector<int64_t> shape, query_shape;
    int type;
    CHECK(Input::call(api, context, QUERY, &query));
    CHECK(Input::call(api, context, KEYS, &keys));
    CHECK(shape_of(api, query, query_shape));
    CHECK(shape_of(api, keys, shape, &type));
    if (query_shape.size() != 3 || shape.size() != 4)
        return CreateStatus::call(api, 1, "attention: a query of three dimensions and buffers of four expected");
    const int64_t width = shape[1] * shape[3];
    Call call{};
    call.rows = shape[0], call.heads = shape[1], call.positions = shape[2], call.size = shape[3];
    call.is_packed = query_shape[2] == 3 * width;
    call.is_int8 = type == INT8;
    call.scale = kernel.scale;
    call.key_scale = call.value_scale = 1.0f;
    if (query_shape[1] != 1 || (!call.is_packed && query_shape[2] != width) || call.heads != kernel.heads ||
        (type != FLOAT && type != INT8))
        return CreateStatus::call(api, 1, "attention: one new position of as many heads as the buffers have expected");
    const float *key_scale, *value_scale;
    CHECK(data_of(api, context, QUERY, &call.query));
    CHECK(data_of(api, context, KEYS, &call.keys));
    CHECK(data_of(api, context, VALUES, &call.values));
    CHECK(data_of(api, context, LAST, &call.last));
    if (call.is_int8) {
        CHECK(data_of(api, context, KEY_SCALE, &key_scale));
        CHECK(data_of(api, context, VALUE_SCALE, &value_scale));
        if (!key_scale || !value_scale)
            return CreateStatus::call(api, 1, "attention: scales of keys and values of int8 expected");
        call.key_scale = *key_scale, call.value_scale = *value_scale;
    }
    const OrtValue* new_keys = nullptr;
    std::vector<int64_t> new_shape;
    CHECK(Input::call(api, context, NEW_KEYS, &new_keys));
    if (new_keys) CHECK(shape_of(api, new_keys, new_shape));
    if (new_keys && (new_shape.size() != 3 || new_shape[1] != 0))
        return CreateStatus::call(api, 1, "attention: new keys packed with the query, or none, expected");
    const size_t bytes = call.rows * width * call.positions * (call.is_int8 ? sizeof(int8_t) : sizeof(float));
    CHECK(next_buffer(api, context, NEXT_KEYS, shape, bytes, &call.keys));
    CHECK(next_buffer(api, context, NEXT_VALUES, shape, bytes, &call.values));
    const int64_t context_shape[3] = {call.rows, 1, width};
    OrtValue* output;
    CHECK(Output::call(api, context, CONTEXT, context_shape, 3, &output));
    CHECK(TensorData::call(api, output, reinterpret_cast<void**>(&call.context)));
    for (int64_t row = 0; row < call.rows; row++)
        if (call.last[row] < 0 || call.last[row] >= call.positions)
            return CreateStatus::call(api, 1, "attention: a position is outside the buffers");
    const auto attend = [](void* data, size_t row) { attend_row(*static_cast<Call*>(data), row); };
    return ParallelFor::call(api, context, attend, call.rows, 0, &call);
}

OrtStatus* create(const OrtCustomOp*, const OrtApi* api, const OrtKernelInfo* info, void** kernel) {
    Kernel made{api, 0, 0.0f};
    int64_t key_heads;
    CHECK(IntAttribute::call(api, info, "num_heads", &made.heads));
    CHECK(IntAttribute::call(api, info, "kv_num_heads", &key_heads));
    CHECK(FloatAttribute::call(api, info, "scale", &made.scale));
    if (made.heads != key_heads)
        return CreateStatus::call(api, 1, "attention: as many heads of keys as of queries expected");
    for (const char* name : {"do_rotary", "smooth_softmax"}) {
        int64_t value = 0; /* where the node does not say */
        if (OrtStatus* status = IntAttribute::call(api, info, name, &value)) ReleaseStatus::call(api, status);
        if (value > 0) return CreateStatus::call(api, 1, "attention: neither rotary embeddings nor smooth softmax expected");
    }
    float softcap = 0.0f;
    if (OrtStatus* status = FloatAttribute::call(api, info, "softcap", &softcap)) ReleaseStatus::call(api, status);
    int64_t window = -1;
    if (OrtStatus* status = IntAttribute::call(api, info, "local_window_size", &window)) ReleaseStatus::call(api, status);
    if (softcap != 0.0f || window > 0) return CreateStatus::call(api, 1, "attention: no softcap and no window expected");
    *kernel = new Kernel(made);
    return nullptr;
}

const OrtApi* registered_with; /* shapes are inferred without being told */

OrtStatus* infer_shapes(const OrtCustomOp*, OrtShapeInferContext* context) {
    const OrtApi* api = registered_with;
    OrtTypeAndShape *buffers, *output;
    for (size_t number : {NEXT_KEYS, NEXT_VALUES}) {
        CHECK(InferredInput::call(api, context, number == NEXT_KEYS ? KEYS : VALUES, &buffers));
        CHECK(InferOutput::call(api, context, number, buffers));
    }
    int64_t shape[4];
    size_t number;
    CHECK(NumDimensions::call(api, buffers, &number));
    if (number != 4) return CreateStatus::call(api, 1, "attention: buffers of four dimensions expected");
    CHECK(Dimensions::call(api, buffers, shape, 4));
    const int64_t of_context[3] = {-1, 1, shape[1] * shape[3]};
    const char* names[3] = {"rows", "", ""};
    CHECK(CreateShape::call(api, &output));
    OrtStatus* status = SetElementType::call(api, output, FLOAT);
    if (!status) status = SetDimensions::call(api, output, of_context, 3);
    if (!status) status = SetSymbolicDimensions::call(api, output, names, 3);
    if (!status) status = InferOutput::call(api, context, CONTEXT, output);
    ReleaseShape::call(api, output);
    return status;
}

OrtCustomOp described() {
    OrtCustomOp op{};
    op.version = API_VERSION;
    op.name = [](const OrtCustomOp*) { return "GroupQueryAttention"; };
    op.provider = [](const OrtCustomOp*) -> const char* { return nullptr; };
    op.num_inputs = [](const OrtCustomOp*) -> size_t { return NUM_INPUTS; };
    op.num_outputs = [](const OrtCustomOp*) -> size_t { return NUM_OUTPUTS; };
    op.input_type = op.output_type = [](const OrtCustomOp*, size_t) { return UNDEFINED; };
    op.input_characteristic = op.output_characteristic = [](const OrtCustomOp*, size_t) { return OPTIONAL; };
    op.input_memory = [](const OrtCustomOp*, size_t) { return 0; };
    op.variadic[0] = op.variadic[2] = [](const OrtCustomOp*) { return 1; };
    op.variadic[1] = op.variadic[3] = [](const OrtCustomOp*) { return 0; };
    op.destroy = [](void* kernel) { delete static_cast<Kernel*>(kernel); };
    op.try_create = create;
    op.try_compute = compute;
    op.infer_shapes = infer_shapes;
    op.first_version = op.last_version = [](const OrtCustomOp*) { return 1; };
    return op;
}

/* What ONNX Runtime calls when the library is registered. */
extern "C" __attribute__((visibility("default"))) OrtStatus* RegisterCustomOps(
    OrtSessionOptions* options, const OrtApiBase* base
) {
    static const OrtCustomOp op = described();
    const OrtApi* api = registered_with = base->get_api(API_VERSION);
    OrtCustomOpDomain* domain;
    CHECK(CreateDomain::call(api, "com.microsoft", &domain));
    CHECK(AddToDomain::call(api, domain, &op));
    return UseDomain::call(api, options, domain);
}
