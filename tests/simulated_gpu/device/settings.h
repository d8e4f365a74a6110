// What can be set about the simulated device: environment variables named RESPROF_SIMULATED_*.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#define EXPORTED extern "C" __attribute__((visibility("default")))

namespace simulated {

// Whoever meets this name beside a figure knows that it is no measurement.
inline constexpr const char* kName = "Simulated CUDA device";
inline constexpr int kMultiprocessors = 132;
inline constexpr int kThreadsPerBlock = 1024;
inline constexpr int kThreadsPerMultiprocessor = 2048;
inline constexpr int kBlocksPerMultiprocessor = 32;
inline constexpr int kWarp = 32;
inline constexpr int kRegisters = 65536;
inline constexpr int kSharedMemory = 49152;
inline constexpr int kSharedMemoryOptIn = 232448;
inline constexpr int kSharedMemoryPerMultiprocessor = 233472;
inline constexpr int kMemoryBusBits = 5120;
inline constexpr int kL2Bytes = 50 << 20;
inline constexpr int kGridX = 2147483647;
inline constexpr int kGridYZ = 65535;
inline constexpr int kCudaVersion = SIMULATED_CUDA_VERSION;  // see libraries.py

inline const char* text(const char* variable, const char* otherwise) {
  const char* value = getenv(variable);
  return value ? value : otherwise;
}

inline uint64_t number(const char* variable, uint64_t otherwise) {
  const char* value = getenv(variable);
  return value ? strtoull(value, nullptr, 0) : otherwise;
}

// Whether a comma-separated list names the item.
inline bool lists(const char* variable, const char* item) {
  const size_t length = strlen(item);
  for (const char* at = text(variable, ""); (at = strstr(at, item)); at += length) {
    const bool starts = at == getenv(variable) || at[-1] == ',';
    if (starts && (at[length] == 0 || at[length] == ',')) return true;
  }
  return false;
}

// What a program sees of an H100 with 80 GB.
inline uint64_t memory_bytes() {
  return number("RESPROF_SIMULATED_MEMORY_BYTES", 85029158912);
}

inline int pci_bus() { return static_cast<int>(number("RESPROF_SIMULATED_PCI_BUS", 4)); }

// Compute capability, "9.0".
inline int capability_major() { return atoi(text("RESPROF_SIMULATED_CAPABILITY", "9.0")); }

inline int capability_minor() {
  const char* point = strchr(text("RESPROF_SIMULATED_CAPABILITY", "9.0"), '.');
  return point ? atoi(point + 1) : 0;
}

// Writes each call that matters to stderr.
inline bool traced() {
  static const bool value = getenv("RESPROF_SIMULATED_TRACE");
  return value;
}

}  // namespace simulated
