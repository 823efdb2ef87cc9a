/* The arithmetic of `attention.cpp`, included once for each kind of processor, in a namespace of its own. */

/* e to the power of x, for x at most 0, to some units in the last place: 2^n times a polynomial, so that a compiler can
 * compute many at once. NaN stays NaN. */
INLINED float exponential(float x) {
    x = x < -87.0f ? -87.0f : x;
    float n = std::nearbyint(x * 1.44269504f);
    float rest = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    float power = 1.0f / 5040;
    power = power * rest + 1.0f / 720;
    power = power * rest + 1.0f / 120;
    power = power * rest + 1.0f / 24;
    power = power * rest + 1.0f / 6;
    power = power * rest + 0.5f;
    power = power * rest + 1.0f;
    power = power * rest + 1.0f;
    int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
    float two_to_n;
    std::memcpy(&two_to_n, &bits, sizeof bits);
    return power * two_to_n;
}

/* Sixteen numbers at once; where a processor has no registers as wide, a compiler uses several. */
typedef float Floats __attribute__((vector_size(64)));
constexpr int WIDTH = 16;

INLINED Floats load(const float* place) {
    Floats loaded;
    std::memcpy(&loaded, place, sizeof loaded);
    return loaded;
}

/* By intrinsics, as compilers convert vectors of bytes one by one. */
INLINED Floats load(const int8_t* place) {
#if defined(FOR_AVX512)
    return (Floats)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)place)));
#else
    float numbers[WIDTH];
#if defined(FOR_AVX2)
    for (int i = 0; i < WIDTH; i += 8)
        _mm256_storeu_ps(numbers + i, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)(place + i)))));
#else
    for (int i = 0; i < WIDTH; i++) numbers[i] = place[i];
#endif
    return load(numbers);
#endif
}

INLINED float total(Floats x) {
    typedef float Eight __attribute__((vector_size(32)));
    typedef float Four __attribute__((vector_size(16)));
    Eight eight = __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
                  __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
    Four four = __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
    return (four[0] + four[1]) + (four[2] + four[3]);
}

INLINED void store(float* place, float value, float) { *place = value; }
INLINED void store(int8_t* place, float value, float inverse_scale) {
    *place = static_cast<int8_t>(std::min(127.0f, std::max(-128.0f, std::nearbyint(value * inverse_scale))));
}

/* Ask for a position of a head that will be read soon: it lies far from the last one. */
template <int parts, typename Stored>
INLINED void fetch(const Stored* place) {
    for (size_t byte = 0; byte < parts * WIDTH * sizeof(Stored); byte += 64)
        __builtin_prefetch(reinterpret_cast<const char*>(place) + byte);
}

/* Heads ahead: as long as it takes memory to answer, where what a step's products have read has left no room for keys
 * and values in the processor's caches. */
constexpr int AHEAD = 4;

/* One head of one row. `parts`: the size of a head over WIDTH; what it is made of stays in registers. */
template <typename Stored, int parts>
INLINED void attend_head(const float* query, const Stored* keys, const Stored* values, const Stored* further_keys, const Stored* further_values, int64_t num, float key_scale,
                         float value_scale, float* scores, float* context) {
    constexpr int size = parts * WIDTH;
    Floats queries[parts], sums[parts];
    for (int part = 0; part < parts; part++) queries[part] = load(query + part * WIDTH), sums[part] = Floats{};
    float largest = -INFINITY, sum = 0.0f;
    for (int64_t position = 0; position < num; position++) {
        Floats products{};
        fetch<parts>(further_keys + position * size);
        for (int part = 0; part < parts; part++) products += queries[part] * load(keys + position * size + part * WIDTH);
        scores[position] = total(products) * key_scale;
        largest = std::max(largest, scores[position]);
    }
    for (int64_t position = 0; position < num; position++) scores[position] = exponential(scores[position] - largest);
    for (int64_t position = 0; position < num; position++) {
        sum += scores[position];
        fetch<parts>(further_values + position * size);
        for (int part = 0; part < parts; part++)
            sums[part] += scores[position] * load(values + position * size + part * WIDTH);
    }
    for (int part = 0; part < parts; part++) {
        sums[part] *= value_scale / sum;
        std::memcpy(context + part * WIDTH, &sums[part], sizeof(Floats));
    }
}

/* The same for a head of any size. */
template <typename Stored>
INLINED void attend_any_head(const float* query, const Stored* keys, const Stored* values, int64_t size, int64_t num,
                             float key_scale, float value_scale, float* scores, float* context) {
    float largest = -INFINITY, sum = 0.0f;
    for (int64_t position = 0; position < num; position++) {
        float product = 0.0f;
        for (int64_t i = 0; i < size; i++) product += query[i] * keys[position * size + i];
        scores[position] = product * key_scale;
        largest = std::max(largest, scores[position]);
    }
    for (int64_t position = 0; position < num; position++) scores[position] = exponential(scores[position] - largest);
    for (int64_t i = 0; i < size; i++) context[i] = 0.0f;
    for (int64_t position = 0; position < num; position++) {
        sum += scores[position];
        for (int64_t i = 0; i < size; i++) context[i] += scores[position] * values[position * size + i];
    }
    for (int64_t i = 0; i < size; i++) context[i] *= value_scale / sum;
}

template <typename Stored>
INLINED void attend_heads(const Call& call, int64_t row) {
    static thread_local std::vector<float> space;
    space.resize(call.positions);
    const int64_t size = call.size, width = call.heads * size, last = call.last[row];
    const float scale = call.scale * call.key_scale;
    const float* query = call.query + row * width * (call.is_packed ? 3 : 1);
    float* context = call.context + row * width;
    for (int64_t head = 0; head < call.heads; head++, query += size, context += size) {
        const int64_t first = (row * call.heads + head) * call.positions * size;
        Stored *keys = static_cast<Stored*>(call.keys) + first, *values = static_cast<Stored*>(call.values) + first;
        const Stored* further_keys = keys + AHEAD * call.positions * size;
        const Stored* further_values = values + AHEAD * call.positions * size;
        if (call.is_packed)
            for (int64_t i = 0; i < size; i++) {
                store(keys + last * size + i, query[width + i], 1.0f / call.key_scale);
                store(values + last * size + i, query[2 * width + i], 1.0f / call.value_scale);
            }
        float* scores = space.data();
        if (size == 32)
            attend_head<Stored, 2>(query, keys, values, further_keys, further_values, last + 1, scale, call.value_scale, scores, context);
        else if (size == 48)
            attend_head<Stored, 3>(query, keys, values, further_keys, further_values, last + 1, scale, call.value_scale, scores, context);
        else if (size == 64)
            attend_head<Stored, 4>(query, keys, values, further_keys, further_values, last + 1, scale, call.value_scale, scores, context);
        else
            attend_any_head<Stored>(query, keys, values, size, last + 1, scale, call.value_scale, scores, context);
    }
}

static void attend_row(const Call& call, int64_t row) {
    call.is_int8 ? attend_heads<int8_t>(call, row) : attend_heads<float>(call, row);
}
