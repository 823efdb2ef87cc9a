#!/bin/sh
# Compiles the attention operator, beside its source. It is a matter of speed alone: without a C++ compiler ONNX
# Runtime's own operator is used, and this script succeeds all the same.
#
# sh server/decoding/native/build.sh
set -eu

cd "$(dirname "$0")"
rm -f attention.so  # of an older source
compiler=${CXX:-c++}
# Sums in any order, so that they can be made many at once; but NaN and infinity stay what they are.
order="-fassociative-math -fno-signed-zeros -fno-trapping-math -fno-math-errno"
if ! command -v "$compiler" > /dev/null; then
    echo "no C++ compiler: ONNX Runtime's attention operator is used, which is slower" >&2
elif ! "$compiler" -O3 -std=c++17 -fPIC -fvisibility=hidden -Wno-psabi $order -shared -o attention.so.part attention.cpp; then
    echo "the attention operator cannot be compiled: ONNX Runtime's is used, which is slower" >&2
else
    mv attention.so.part attention.so
fi
