// The transforms of Winograd's convolution F(4x4, 3x3), and their gradients (Lavin and Gray, CVPR 2016, arXiv
// 1509.09308, section 4). compiled.py compiles this file for the processor at hand.
//
// An image is (n, h, w, c), c a multiple of 16. Its tiles are 4x4 pixels, in rows, image after image. What is transformed
// is (36, tiles, c): the six by six values of each tile and channel, `plane` floats after each other.
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

typedef float lanes __attribute__((vector_size(64), aligned(4)));

inline lanes load(const float *from) { return *reinterpret_cast<const lanes *>(from); }
inline void store(float *to, lanes value) { *reinterpret_cast<lanes *>(to) = value; }

// One axis of each transform: B^T d, its gradient B t, A^T m and its gradient A y.
struct Input {
    enum { taken = 6, given = 6 };
    static inline void along(const lanes *d, lanes *t) {
        lanes even = d[4] - 4 * d[2], odd = d[3] - 4 * d[1], near = d[4] - d[2], far = 2 * (d[3] - d[1]);
        t[0] = 4 * (d[0] - d[2]) + near;
        t[1] = even + odd;
        t[2] = even - odd;
        t[3] = near + far;
        t[4] = near - far;
        t[5] = 4 * (d[1] - d[3]) + (d[5] - d[3]);
    }
};
struct InputGradient {
    enum { taken = 6, given = 6 };
    static inline void along(const lanes *t, lanes *d) {
        lanes near = t[1] + t[2], far = 4 * (t[2] - t[1]), third = t[3] + t[4], fourth = 2 * (t[4] - t[3]);
        d[0] = 4 * t[0];
        d[1] = far + fourth + 4 * t[5];
        d[2] = -5 * t[0] - 4 * near - third;
        d[3] = (t[1] - t[2]) - fourth - 5 * t[5];
        d[4] = t[0] + near + third;
        d[5] = t[5];
    }
};
struct Output {
    enum { taken = 6, given = 4 };
    static inline void along(const lanes *m, lanes *y) {
        lanes near = m[1] + m[2], odd = m[1] - m[2], third = m[3] + m[4], fourth = m[3] - m[4];
        y[0] = m[0] + near + third;
        y[1] = odd + 2 * fourth;
        y[2] = near + 4 * third;
        y[3] = odd + 8 * fourth + m[5];
    }
};
struct OutputGradient {
    enum { taken = 4, given = 6 };
    static inline void along(const lanes *y, lanes *m) {
        lanes even = y[0] + y[2], odd = y[1] + y[3], third = y[0] + 4 * y[2], fourth = 2 * y[1] + 8 * y[3];
        m[0] = y[0];
        m[1] = even + odd;
        m[2] = even - odd;
        m[3] = third + fourth;
        m[4] = third - fourth;
        m[5] = y[3];
    }
};

// Both axes: taken x taken values from `get` to given x given values for `put`.
template <typename Axis, typename Get, typename Put> inline void transformed(Get get, Put put) {
    lanes half[Axis::given][Axis::taken], column[Axis::taken], result[Axis::given];
    for (int j = 0; j < Axis::taken; j++) {
        for (int i = 0; i < Axis::taken; i++) column[i] = get(i, j);
        Axis::along(column, result);
        for (int i = 0; i < Axis::given; i++) half[i][j] = result[i];
    }
    for (int i = 0; i < Axis::given; i++) {
        Axis::along(half[i], result);
        for (int j = 0; j < Axis::given; j++) put(i, j, result[j]);
    }
}

// Calls work(tile, addresses of its side x side pixels) for each tile; those outside the image are at some zeros. A tile
// begins `before` pixels up and left of its 4x4. Rows of tiles go to the threads, whole images where tiles overlap.
template <int side, bool overlapping, typename Float, typename Work>
void each_tile(Float *images, int before, int64_t n, int64_t h, int64_t w, int64_t c, Work work) {
    const int64_t rows = (h + 3) / 4, columns = (w + 3) / 4, together = overlapping ? rows : 1;
#pragma omp parallel for schedule(static, together)
    for (int64_t row = 0; row < n * rows; row++) {
        std::vector<float> outside(c, 0.f);
        Float *image = images + row / rows * h * w * c, *at[side][side];
        for (int64_t column = 0; column < columns; column++) {
            for (int i = 0; i < side; i++)
                for (int j = 0; j < side; j++) {
                    int64_t y = 4 * (row % rows) - before + i, x = 4 * column - before + j;
                    bool is_inside = y >= 0 && x >= 0 && y < h && x < w;
                    at[i][j] = is_inside ? image + (y * w + x) * c : outside.data();
                }
            work(row * columns + column, at);
        }
    }
}

} // namespace

extern "C" {

void input(const float *images, float *planes, int64_t plane, int64_t n, int64_t h, int64_t w, int64_t c) {
    each_tile<6, false>(images, 1, n, h, w, c, [&](int64_t tile, const float *at[6][6]) {
        for (int64_t k = 0; k < c; k += 16) {
            float *to = planes + tile * c + k;
            transformed<Input>([&](int i, int j) { return load(at[i][j] + k); },
                               [&](int i, int j, lanes value) { store(to + (6 * i + j) * plane, value); });
        }
    });
}

// Tiles overlap, so gradients are summed.
void input_gradient(const float *planes, float *images, int64_t plane, int64_t n, int64_t h, int64_t w, int64_t c) {
    std::memset(images, 0, n * h * w * c * sizeof(float));
    each_tile<6, true>(images, 1, n, h, w, c, [&](int64_t tile, float *at[6][6]) {
        for (int64_t k = 0; k < c; k += 16) {
            const float *from = planes + tile * c + k;
            transformed<InputGradient>([&](int i, int j) { return load(from + (6 * i + j) * plane); },
                                       [&](int i, int j, lanes value) { store(at[i][j] + k, load(at[i][j] + k) + value); });
        }
    });
}

void output(const float *planes, float *images, int64_t plane, int64_t n, int64_t h, int64_t w, int64_t c) {
    each_tile<4, false>(images, 0, n, h, w, c, [&](int64_t tile, float *at[4][4]) {
        for (int64_t k = 0; k < c; k += 16) {
            const float *from = planes + tile * c + k;
            transformed<Output>([&](int i, int j) { return load(from + (6 * i + j) * plane); },
                                [&](int i, int j, lanes value) { store(at[i][j] + k, value); });
        }
    });
}

void output_gradient(const float *images, float *planes, int64_t plane, int64_t n, int64_t h, int64_t w, int64_t c) {
    each_tile<4, false>(images, 0, n, h, w, c, [&](int64_t tile, const float *at[4][4]) {
        for (int64_t k = 0; k < c; k += 16) {
            float *to = planes + tile * c + k;
            transformed<OutputGradient>([&](int i, int j) { return load(at[i][j] + k); },
                                        [&](int i, int j, lanes value) { store(to + (6 * i + j) * plane, value); });
        }
    });
}
}
