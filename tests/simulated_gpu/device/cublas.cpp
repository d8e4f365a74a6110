// cuBLAS and cuBLASLt: a handle has a stream and modes, a product is one kernel on it.
//
// Declared here without their headers, which come only with hundreds of megabytes of library.
#include "settings.h"

extern "C" int resprof_simulated_kernel(void* stream);  // in the runtime

namespace {

struct Handle {
  void* stream = nullptr;
  int math_mode = 0;
  int pointer_mode = 0;
};

Handle& of(void* handle) { return *static_cast<Handle*>(handle); }

constexpr size_t kLtVersion = 130100;
constexpr size_t kDescriptorBytes = 256;
constexpr size_t kHeuristicBytes = 64;  // cublasLtMatmulHeuristicResult_t up to its state

int descriptor(void** made) {
  *made = calloc(1, kDescriptorBytes);
  return 0;
}

int destroy(void* made) {
  free(made);
  return 0;
}

}  // namespace

EXPORTED int cublasCreate_v2(void** handle) {
  *handle = new Handle;
  return 0;
}

EXPORTED int cublasDestroy_v2(void* handle) {
  delete static_cast<Handle*>(handle);
  return 0;
}

EXPORTED int cublasSetStream_v2(void* handle, void* stream) {
  of(handle).stream = stream;
  return 0;
}

EXPORTED int cublasSetMathMode(void* handle, int mode) {
  of(handle).math_mode = mode;
  return 0;
}

EXPORTED int cublasGetMathMode(void* handle, int* mode) {
  *mode = of(handle).math_mode;
  return 0;
}

EXPORTED int cublasSetPointerMode_v2(void* handle, int mode) {
  of(handle).pointer_mode = mode;
  return 0;
}

EXPORTED int cublasGetPointerMode_v2(void* handle, int* mode) {
  *mode = of(handle).pointer_mode;
  return 0;
}

// Of a product only the handle is looked at: further arguments stay where the caller put them.
#define PRODUCT(name) \
  EXPORTED int name(void* handle) { return resprof_simulated_kernel(of(handle).stream); }

PRODUCT(cublasGemmEx)
PRODUCT(cublasSgemm_v2)
PRODUCT(cublasDgemm_v2)
PRODUCT(cublasSgemmEx)
PRODUCT(cublasGemmStridedBatchedEx)
PRODUCT(cublasSgemmStridedBatched)
PRODUCT(cublasSgemv_v2)

EXPORTED size_t cublasLtGetVersion() { return kLtVersion; }

EXPORTED int cublasLtMatmulDescCreate(void** made, int, int) { return descriptor(made); }

EXPORTED int cublasLtMatmulDescDestroy(void* made) { return destroy(made); }

EXPORTED int cublasLtMatmulPreferenceCreate(void** made) { return descriptor(made); }

EXPORTED int cublasLtMatmulPreferenceDestroy(void* made) { return destroy(made); }

EXPORTED int cublasLtMatrixLayoutCreate(void** made, int, uint64_t, uint64_t, int64_t) {
  return descriptor(made);
}

EXPORTED int cublasLtMatrixLayoutDestroy(void* made) { return destroy(made); }

// One algorithm, which needs no workspace.
EXPORTED int cublasLtMatmulAlgoGetHeuristic(
    void*, void*, void*, void*, void*, void*, void*, int, void* results, int* found) {
  memset(results, 0, kHeuristicBytes);
  *found = 1;
  return 0;
}

EXPORTED int cublasLtMatmul(
    void*, void*, const void*, const void*, void*, const void*, void*, const void*, const void*,
    void*, void*, void*, const void*, void*, size_t, void* stream) {
  return resprof_simulated_kernel(stream);
}
