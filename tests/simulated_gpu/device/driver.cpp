// The driver's interface, as far as the launchers of Triton and inductor ask for it.
#include "cuda.h"
#include "settings.h"

using namespace simulated;

extern "C" int resprof_simulated_kernel(void* stream);  // in the runtime

namespace {

constexpr int kRegistersPerThread = 40;
constexpr int kClockKhz = 1'980'000;
constexpr int kMemoryClockKhz = 2'619'000;
constexpr size_t kLimit = 1 << 20;
// Handles only have to differ from null.
char a_context, a_module, a_function;

template <typename Handle>
Handle handle(char& place) {
  return reinterpret_cast<Handle>(&place);
}

}  // namespace

EXPORTED CUresult cuDriverGetVersion(int* version) {
  *version = kCudaVersion;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  *device = ordinal;
  return CUDA_SUCCESS;
}

// Whatever is not listed is a feature, and there.
EXPORTED CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice) {
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = kMultiprocessors; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = capability_major(); break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = capability_minor(); break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: *value = kSharedMemory; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: *value = kSharedMemoryOptIn; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR:
      *value = kSharedMemoryPerMultiprocessor;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = kThreadsPerBlock; break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR:
      *value = kThreadsPerMultiprocessor;
      break;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: *value = kWarp; break;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR: *value = kRegisters; break;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: *value = kClockKhz; break;
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: *value = kMemoryClockKhz; break;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: *value = kMemoryBusBits; break;
    default: *value = 1;
  }
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice) {
  *context = handle<CUcontext>(a_context);
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuDevicePrimaryCtxGetState(CUdevice, unsigned* flags, int* active) {
  *flags = 0;
  *active = 1;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuCtxGetCurrent(CUcontext* context) {
  *context = handle<CUcontext>(a_context);
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuCtxGetDevice(CUdevice* device) {
  *device = 0;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuCtxGetLimit(size_t* value, CUlimit) {
  *value = kLimit;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuGetErrorString(CUresult, const char** text) {
  *text = "an error of the simulated driver";
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuModuleLoadData(CUmodule* loaded, const void*) {
  *loaded = handle<CUmodule>(a_module);
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuModuleLoad(CUmodule* loaded, const char*) {
  *loaded = handle<CUmodule>(a_module);
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuModuleGetFunction(CUfunction* function, CUmodule, const char*) {
  *function = handle<CUfunction>(a_function);
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction) {
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = kRegistersPerThread; break;
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = kThreadsPerBlock; break;
    default: *value = 0;
  }
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuOccupancyMaxActiveClusters(int* clusters, CUfunction, const CUlaunchConfig*) {
  *clusters = 1;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuPointerGetAttribute(void* value, CUpointer_attribute, CUdeviceptr pointer) {
  *static_cast<CUdeviceptr*>(value) = pointer;
  return CUDA_SUCCESS;
}

EXPORTED CUresult cuLaunchKernel(
    CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
    CUstream stream, void**, void**) {
  if (traced()) fputs("simulated: a kernel of Triton's\n", stderr);
  return static_cast<CUresult>(resprof_simulated_kernel(stream));
}

EXPORTED CUresult cuLaunchKernelEx(
    const CUlaunchConfig* configuration, CUfunction, void**, void**) {
  if (traced()) fputs("simulated: a kernel of Triton's\n", stderr);
  return static_cast<CUresult>(resprof_simulated_kernel(configuration->hStream));
}
