// Memory of the device: address space of the host that is written to by copies only.
#include <sys/mman.h>

#include <map>
#include <string>

#include "cuda.h"
#include "ledger.h"
#include "timeline.h"

using namespace simulated;

namespace {

constexpr uint64_t kPage = 2 << 20;  // what CUDA hands out memory in
constexpr uint64_t kAddresses = 1ull << 45;
constexpr uint64_t kHostPage = 4096;
constexpr int64_t kCopyNs = 5'000;
constexpr int64_t kBytesPerNs = 20;

std::map<char*, uint64_t> allocations;
std::map<CUmemGenericAllocationHandle, uint64_t> handles;

uint64_t round_up(uint64_t bytes, uint64_t to) { return (bytes + to - 1) / to * to; }

char* addresses() {
  static char* const start = [] {
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* const at = mmap(nullptr, kAddresses, PROT_NONE, flags, -1, 0);
    if (at == MAP_FAILED) {
      fputs("simulated: no address space for the device's memory\n", stderr);
      abort();
    }
    return static_cast<char*>(at);
  }();
  return start;
}

bool on_device(const void* pointer) {
  const auto* at = static_cast<const char*>(pointer);
  return at >= addresses() && at < addresses() + kAddresses;
}

// Addresses only rise, with a page between neighbours: what runs over is seen.
char* new_addresses(uint64_t bytes) {
  static uint64_t used = kPage;
  const uint64_t at = used;
  used += bytes + kPage;
  return used > kAddresses ? nullptr : addresses() + at;
}

// Takes bytes from what is left of the device's memory; false where they are not there.
bool take(uint64_t bytes) {
  if (used_bytes() + bytes > memory_bytes()) return false;
  own_slot().bytes += bytes;
  return true;
}

// No kernel has run, so what a program reads back is made up: a flag is set, a count is one.
void make_up(void* to, uint64_t bytes) {
  if (bytes == 1) *static_cast<char*>(to) = 1;
  if (bytes == sizeof(int64_t) && *static_cast<int64_t*>(to) == 0) *static_cast<int64_t*>(to) = 1;
}

void copy(void* to, const void* from, uint64_t bytes) {
  if (on_device(to) && on_device(from)) return;
  memcpy(to, from, bytes);
  if (!on_device(to)) make_up(to, bytes);
}

}  // namespace

EXPORTED cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  use_device();
  const Guard guard(lock);
  *pointer = nullptr;
  if (breaks_capture()) return fail(cudaErrorStreamCaptureUnsupported, "cudaMalloc");
  const uint64_t rounded = round_up(bytes ? bytes : 1, kPage);
  if (!take(rounded)) return fail(cudaErrorMemoryAllocation, "cudaMalloc");
  char* const at = new_addresses(rounded);
  if (!at || mprotect(at, rounded, PROT_READ | PROT_WRITE) != 0) {
    own_slot().bytes -= rounded;
    return fail(cudaErrorMemoryAllocation, "cudaMalloc");
  }
  allocations[at] = rounded;
  *pointer = at;
  return cudaSuccess;
}

EXPORTED cudaError_t cudaFree(void* pointer) {
  use_device();
  const Guard guard(lock);
  if (!pointer) return cudaSuccess;
  if (breaks_capture()) return fail(cudaErrorStreamCaptureUnsupported, "cudaFree");
  const auto found = allocations.find(static_cast<char*>(pointer));
  if (found == allocations.end()) return fail(cudaErrorInvalidValue, "cudaFree");
  madvise(pointer, found->second, MADV_DONTNEED);
  mprotect(pointer, found->second, PROT_NONE);
  own_slot().bytes -= found->second;
  allocations.erase(found);
  return cudaSuccess;
}

EXPORTED cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  use_device();
  const uint64_t used = used_bytes();
  *total = memory_bytes();
  *free = used < *total ? *total - used : 0;
  return cudaSuccess;
}

EXPORTED cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  *pointer = aligned_alloc(kHostPage, round_up(bytes ? bytes : 1, kHostPage));
  return *pointer ? cudaSuccess : fail(cudaErrorMemoryAllocation, "cudaHostAlloc");
}

EXPORTED cudaError_t cudaFreeHost(void* pointer) {
  free(pointer);
  return cudaSuccess;
}

EXPORTED cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* at) {
  *attributes = {};
  const bool device = on_device(at);
  attributes->type = device ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered;
  (device ? attributes->devicePointer : attributes->hostPointer) = const_cast<void*>(at);
  return cudaSuccess;
}

EXPORTED cudaError_t cudaMemcpyAsync(
    void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  const cudaError_t error = enqueue(stream, kCopyNs + bytes / kBytesPerNs);
  if (error == cudaSuccess && !stream_of(stream).capture) copy(to, from, bytes);
  return error;
}

EXPORTED cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
  if (breaks_capture()) return fail(cudaErrorStreamCaptureUnsupported, "cudaMemcpy");
  copy(to, from, bytes);
  return cudaSuccess;
}

EXPORTED cudaError_t cudaMemcpy2DAsync(
    void*, size_t, const void*, size_t, size_t, size_t, cudaMemcpyKind, cudaStream_t stream) {
  return enqueue(stream, kCopyNs);
}

EXPORTED cudaError_t cudaMemcpyPeerAsync(
    void*, int, const void*, int, size_t, cudaStream_t stream) {
  return enqueue(stream, kCopyNs);
}

EXPORTED cudaError_t cudaMemsetAsync(void*, int, size_t, cudaStream_t stream) {
  return enqueue(stream, kCopyNs);
}

EXPORTED cudaError_t cudaGetSymbolAddress(void** pointer, const void*) {
  static char storage[1 << 16];
  *pointer = storage;
  return cudaSuccess;
}

// The driver's virtual memory, as far as expandable segments use it.
namespace {

CUresult reserve(CUdeviceptr* at, size_t bytes, size_t, CUdeviceptr, unsigned long long) {
  const Guard guard(lock);
  *at = reinterpret_cast<CUdeviceptr>(new_addresses(round_up(bytes, kPage)));
  return *at ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult release_addresses(CUdeviceptr, size_t) { return CUDA_SUCCESS; }

CUresult create(
    CUmemGenericAllocationHandle* handle, size_t bytes, const CUmemAllocationProp*,
    unsigned long long) {
  static CUmemGenericAllocationHandle next = 1;
  const Guard guard(lock);
  if (!take(bytes)) return CUDA_ERROR_OUT_OF_MEMORY;
  *handle = next++;
  handles[*handle] = bytes;
  return CUDA_SUCCESS;
}

CUresult release(CUmemGenericAllocationHandle handle) {
  const Guard guard(lock);
  const auto found = handles.find(handle);
  if (found == handles.end()) return CUDA_ERROR_INVALID_VALUE;
  own_slot().bytes -= found->second;
  handles.erase(found);
  return CUDA_SUCCESS;
}

CUresult map_memory(
    CUdeviceptr at, size_t bytes, size_t, CUmemGenericAllocationHandle, unsigned long long) {
  mprotect(reinterpret_cast<void*>(at), bytes, PROT_READ | PROT_WRITE);
  return CUDA_SUCCESS;
}

CUresult unmap_memory(CUdeviceptr at, size_t bytes) {
  madvise(reinterpret_cast<void*>(at), bytes, MADV_DONTNEED);
  mprotect(reinterpret_cast<void*>(at), bytes, PROT_NONE);
  return CUDA_SUCCESS;
}

CUresult set_access(CUdeviceptr, size_t, const CUmemAccessDesc*, size_t) { return CUDA_SUCCESS; }

CUresult granularity(size_t* bytes, const CUmemAllocationProp*, CUmemAllocationGranularity_flags) {
  *bytes = kPage;
  return CUDA_SUCCESS;
}

CUresult error_text(CUresult, const char** text) {
  *text = "an error of the simulated driver";
  return CUDA_SUCCESS;
}

// Virtual memory is there; memory handles that other processes could open are not.
CUresult attribute(int* value, CUdevice_attribute asked, CUdevice) {
  *value = asked == CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED ||
           asked == CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED;
  return CUDA_SUCCESS;
}

CUresult nothing() { return CUDA_SUCCESS; }

template <typename Function>
void* address(Function* function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace

EXPORTED cudaError_t cudaGetDriverEntryPointByVersion(
    const char* name, void** function, unsigned, unsigned long long,
    cudaDriverEntryPointQueryResult* result) {
  static const std::map<std::string, void*> known{
      {"cuMemAddressReserve", address(reserve)},
      {"cuMemAddressFree", address(release_addresses)},
      {"cuMemCreate", address(create)},
      {"cuMemRelease", address(release)},
      {"cuMemMap", address(map_memory)},
      {"cuMemUnmap", address(unmap_memory)},
      {"cuMemSetAccess", address(set_access)},
      {"cuMemGetAllocationGranularity", address(granularity)},
      {"cuGetErrorString", address(error_text)},
      {"cuDeviceGetAttribute", address(attribute)},
  };
  const auto found = known.find(name);
  *function = found == known.end() ? address(nothing) : found->second;
  if (result) *result = cudaDriverEntryPointSuccess;
  return cudaSuccess;
}
