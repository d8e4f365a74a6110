// NVML of one card, in the layout of pynvml's structures: what resprof and torch ask of it.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <ctime>

#include "ledger.h"

using namespace simulated;

namespace {

// nvmlReturn_t
enum Result {
  kSuccess = 0,
  kInvalidArgument = 2,
  kNotSupported = 3,
  kNoPermission = 4,
  kNotFound = 6,
  kInsufficientSize = 7,
  kVersionMismatch = 25,
};

constexpr int kClockSm = 1;
constexpr unsigned kSmMhz = 1755, kSmMaximumMhz = 1980, kMemoryMhz = 2619;
constexpr unsigned kMilliwatts = 342'123, kLimitMilliwatts = 700'000;
constexpr int kCelsius = 51;
constexpr unsigned kTemperatureVersion = 0x100000C;
constexpr uint64_t kHiddenBytes = 491'651'072;  // what NVML counts and CUDA does not hand out
constexpr uint64_t kOthersBytes = 1ull << 30;
constexpr int kOthersPid = 4000;
constexpr uint64_t kPowerCap = 0x4;  // nvmlClocksEventReasonSwPowerCap
constexpr unsigned kUnsignedLongLong = 3;
// NVML_FI_DEV_PERF_POLICY_*: 74 is power, the last is 81; 78 was never given out.
constexpr unsigned kFirstPolicy = 74, kLastPolicy = 81, kNoPolicy = 78;
constexpr double kCappedShare = 0.25;  // of the time, by power

char the_card, the_slice;

// What a call answers instead where it is listed by name.
Result refusal(const char* call) {
  if (lists("RESPROF_SIMULATED_NVML_UNSUPPORTED", call)) return kNotSupported;
  if (lists("RESPROF_SIMULATED_NVML_FORBIDDEN", call)) return kNoPermission;
  return kSuccess;
}

bool sliced() { return number("RESPROF_SIMULATED_NVML_MIG", 0); }

// CUDA sees the number that is in kernels.cpp. Under MIG that is the slice's, not the card's.
constexpr const char* kSliceUuid = "MIG-10111213-1415-1617-1819-1a1b1c1d1e1f";

const char* card_uuid() {
  const char* const plain = "GPU-10111213-1415-1617-1819-1a1b1c1d1e1f";
  const char* const under_mig = "GPU-20212223-2425-2627-2829-2a2b2c2d2e2f";
  return text("RESPROF_SIMULATED_NVML_UUID", sliced() ? under_mig : plain);
}

int nvml_bus() {
  return static_cast<int>(number("RESPROF_SIMULATED_NVML_PCI_BUS", pci_bus()));
}

int start() { return static_cast<int>(number("RESPROF_SIMULATED_NVML_INIT", kSuccess)); }

// Counters move on every tenth of a second, as a driver's do.
double counter_s() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return std::floor(time.tv_sec * 10.0 + time.tv_nsec * 1e-8) / 10.0;
}

int open_card(void** handle) {
  *handle = &the_card;
  return kSuccess;
}

}  // namespace

// A call that can be refused by the name it has after "nvmlDeviceGet".
#define ANSWER(call, ...)                                                         \
  if (const Result refused = refusal(#call)) return refused;                      \
  __VA_ARGS__;                                                                    \
  return kSuccess;

EXPORTED int nvmlInit_v2() { return start(); }

EXPORTED int nvmlInitWithFlags(unsigned) { return start(); }

EXPORTED int nvmlShutdown() { return kSuccess; }

EXPORTED const char* nvmlErrorString(int result) {
  switch (result) {
    case kNotSupported: return "Not Supported";
    case kNoPermission: return "Insufficient Permissions";
    case kNotFound: return "Not Found";
    default: return "Unknown Error";
  }
}

EXPORTED int nvmlSystemGetDriverVersion(char* version, unsigned bytes) {
  snprintf(version, bytes, "580.159.04");
  return kSuccess;
}

EXPORTED int nvmlSystemGetCudaDriverVersion_v2(int* version) {
  *version = kCudaVersion;
  return kSuccess;
}

EXPORTED int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = 1;
  return kSuccess;
}

EXPORTED int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** handle) {
  return index == 0 ? open_card(handle) : kInvalidArgument;
}

EXPORTED int nvmlDeviceGetHandleByUUID(const char* asked, void** handle) {
  if (sliced() && strcmp(asked, kSliceUuid) == 0) {
    *handle = &the_slice;
    return kSuccess;
  }
  return strcmp(asked, card_uuid()) == 0 ? open_card(handle) : kNotFound;
}

EXPORTED int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(void* handle, void** card) {
  return handle == &the_slice ? open_card(card) : kInvalidArgument;
}

EXPORTED int nvmlDeviceGetHandleByPciBusId_v2(const char* asked, void** handle) {
  unsigned domain, bus, device;
  if (sscanf(asked, "%x:%x:%x.0", &domain, &bus, &device) != 3) return kInvalidArgument;
  return static_cast<int>(bus) == nvml_bus() ? open_card(handle) : kNotFound;
}

EXPORTED int nvmlDeviceGetName(void*, char* name, unsigned bytes) {
  ANSWER(Name, snprintf(name, bytes, "%s", kName))
}

EXPORTED int nvmlDeviceGetUUID(void*, char* answered, unsigned bytes) {
  ANSWER(UUID, snprintf(answered, bytes, "%s", card_uuid()))
}

struct PciInfo {
  char legacy[16];
  unsigned domain, bus, device, id, subsystem;
  char text[32];
};

EXPORTED int nvmlDeviceGetPciInfo_v3(void*, PciInfo* info) {
  ANSWER(PciInfo, {
    *info = {};
    info->bus = nvml_bus();
    snprintf(info->text, sizeof info->text, "00000000:%02X:00.0", info->bus);
  })
}

struct MemoryInfo {
  unsigned long long total, free, used;
};

EXPORTED int nvmlDeviceGetMemoryInfo(void*, MemoryInfo* info) {
  ANSWER(MemoryInfo, {
    info->total = memory_bytes() + kHiddenBytes;
    info->used = used_bytes() + kHiddenBytes;
    info->free = info->total - std::min(info->used, info->total);
  })
}

EXPORTED int nvmlDeviceGetEccMode(void*, int* current, int* pending) {
  ANSWER(EccMode, *current = *pending = 1)
}

EXPORTED int nvmlDeviceGetMigMode(void*, unsigned* current, unsigned* pending) {
  ANSWER(MigMode, *current = *pending = sliced())
}

EXPORTED int nvmlDeviceGetPersistenceMode(void*, int* mode) {
  ANSWER(PersistenceMode, *mode = 1)
}

EXPORTED int nvmlDeviceGetComputeMode(void*, int* mode) { ANSWER(ComputeMode, *mode = 0) }

EXPORTED int nvmlDeviceGetEnforcedPowerLimit(void*, unsigned* limit) {
  ANSWER(EnforcedPowerLimit, *limit = kLimitMilliwatts)
}

EXPORTED int nvmlDeviceGetPowerManagementLimit(void*, unsigned* limit) {
  ANSWER(PowerManagementLimit, *limit = kLimitMilliwatts)
}

EXPORTED int nvmlDeviceGetPowerManagementDefaultLimit(void*, unsigned* limit) {
  ANSWER(PowerManagementDefaultLimit, *limit = kLimitMilliwatts)
}

EXPORTED int nvmlDeviceGetMaxClockInfo(void*, int clock, unsigned* mhz) {
  ANSWER(MaxClockInfo, *mhz = clock == kClockSm ? kSmMaximumMhz : kMemoryMhz)
}

EXPORTED int nvmlDeviceGetClockInfo(void*, int clock, unsigned* mhz) {
  ANSWER(ClockInfo, *mhz = clock == kClockSm ? kSmMhz : kMemoryMhz)
}

EXPORTED int nvmlDeviceGetPowerUsage(void*, unsigned* milliwatts) {
  ANSWER(PowerUsage, *milliwatts = kMilliwatts)
}

EXPORTED int nvmlDeviceGetTotalEnergyConsumption(void*, unsigned long long* millijoules) {
  ANSWER(TotalEnergyConsumption, *millijoules = counter_s() * kMilliwatts)
}

struct Temperature {
  unsigned version, sensor;
  int value;
};

EXPORTED int nvmlDeviceGetTemperatureV(void*, Temperature* temperature) {
  if (temperature->version != kTemperatureVersion) return kVersionMismatch;
  ANSWER(TemperatureV, temperature->value = kCelsius)
}

EXPORTED int nvmlDeviceGetTemperature(void*, int, unsigned* celsius) {
  ANSWER(Temperature, *celsius = kCelsius)
}

EXPORTED int nvmlDeviceGetCurrentClocksEventReasons(void*, unsigned long long* reasons) {
  ANSWER(CurrentClocksEventReasons, *reasons = number("RESPROF_SIMULATED_NVML_REASONS", kPowerCap))
}

EXPORTED int nvmlDeviceGetCurrentClocksThrottleReasons(void*, unsigned long long* reasons) {
  ANSWER(CurrentClocksThrottleReasons,
         *reasons = number("RESPROF_SIMULATED_NVML_REASONS", kPowerCap))
}

struct FieldValue {
  uint32_t id, scope;
  int64_t at_us, latency_us;
  unsigned type;
  int result;
  union {
    double real;
    unsigned long long natural;
  } value;
};

EXPORTED int nvmlDeviceGetFieldValues(void*, int count, FieldValue* fields) {
  ANSWER(FieldValues, for (FieldValue* field = fields; field != fields + count; field++) {
    const bool known = field->id >= kFirstPolicy && field->id <= kLastPolicy;
    field->result = known && field->id != kNoPolicy ? kSuccess : kNotSupported;
    field->type = kUnsignedLongLong;
    const double capped_s = field->id == kFirstPolicy ? counter_s() * kCappedShare : 0;
    field->value.natural = capped_s * 1e9;
  })
}

// Drivers from 545 on answer it through fields only.
EXPORTED int nvmlDeviceGetViolationStatus(void*, unsigned, void*) { return kNotSupported; }

struct ProcessInfo {
  unsigned pid;
  unsigned long long used_bytes;
  unsigned gpu_instance, compute_instance;
};

EXPORTED int nvmlDeviceGetComputeRunningProcesses_v3(
    void*, unsigned* count, ProcessInfo* processes) {
  if (const Result refused = refusal("ComputeRunningProcesses")) return refused;
  constexpr unsigned kNoInstance = ~0u;
  constexpr unsigned long long kUnknown = ~0ull;
  const bool tells = !lists("RESPROF_SIMULATED_NVML_UNSUPPORTED", "UsedMemory");
  // The program that asks, where it has used the device, then those that were asked for.
  const Slot* const own = slot_of(getpid());
  const unsigned others = number("RESPROF_SIMULATED_NVML_OTHERS", 0);
  const unsigned have = others + (own ? 1 : 0);
  const unsigned room = *count;
  *count = have;
  if (room < have || (have && !processes)) return kInsufficientSize;
  for (unsigned i = 0; i < have; i++) {
    const bool is_own = own && i == 0;
    ProcessInfo& process = processes[i];
    process.pid = is_own ? getpid() : kOthersPid + i;
    process.used_bytes = !tells ? kUnknown : is_own ? own->bytes.load() : kOthersBytes;
    process.gpu_instance = process.compute_instance = kNoInstance;
  }
  return kSuccess;
}

// What torch itself asks for when memory runs out.
EXPORTED int nvmlDeviceGetComputeRunningProcesses(
    void* device, unsigned* count, ProcessInfo* processes) {
  return nvmlDeviceGetComputeRunningProcesses_v3(device, count, processes);
}

EXPORTED int nvmlDeviceGetGpuFabricInfoV(void*, void*) { return kNotSupported; }

EXPORTED int nvmlDeviceGetNvLinkRemoteDeviceType(void*, unsigned, int*) { return kNotSupported; }

EXPORTED int nvmlDeviceGetNvLinkRemotePciInfo_v2(void*, unsigned, PciInfo*) {
  return kNotSupported;
}
