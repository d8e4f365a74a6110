// cuDNN: each operation is one kernel, and workspaces are of the sizes that were asked for.
//
// Declared here without its headers, which come only with hundreds of megabytes of library.
#include <algorithm>
#include <map>
#include <vector>

#include "settings.h"

using namespace simulated;

extern "C" int resprof_simulated_kernel(void* stream);  // in the runtime

namespace {

struct Handle {
  void* stream = nullptr;
};

constexpr size_t kDescriptorBytes = 512;

uint64_t version() { return number("RESPROF_SIMULATED_CUDNN_VERSION", SIMULATED_CUDNN_VERSION); }

uint64_t workspace() { return number("RESPROF_SIMULATED_CUDNN_WORKSPACE", 8 << 20); }

int kernel(void* handle) {
  return resprof_simulated_kernel(static_cast<Handle*>(handle)->stream);
}

}  // namespace

EXPORTED size_t cudnnGetVersion() { return version(); }

EXPORTED size_t cudnnGetCudartVersion() { return kCudaVersion; }

EXPORTED int cudnnGetProperty(int part, int* value) {
  const uint64_t parts[] = {version() / 10000, version() / 100 % 100, version() % 100};
  *value = static_cast<int>(parts[std::clamp(part, 0, 2)]);
  return 0;
}

EXPORTED const char* cudnnGetErrorString(int) { return "an error of the simulated cuDNN"; }

EXPORTED void cudnnGetLastErrorString(char* message, size_t bytes) {
  if (bytes) *message = 0;
}

EXPORTED int cudnnCreate(void** handle) {
  *handle = new Handle;
  return 0;
}

EXPORTED int cudnnSetStream(void* handle, void* stream) {
  static_cast<Handle*>(handle)->stream = stream;
  return 0;
}

EXPORTED int cudnnGetStream(void* handle, void** stream) {
  *stream = static_cast<Handle*>(handle)->stream;
  return 0;
}

#define DESCRIPTOR(name)             \
  EXPORTED int name(void** made) {   \
    *made = calloc(1, kDescriptorBytes); \
    return 0;                        \
  }

DESCRIPTOR(cudnnCreateTensorDescriptor)
DESCRIPTOR(cudnnCreateFilterDescriptor)
DESCRIPTOR(cudnnCreateConvolutionDescriptor)
DESCRIPTOR(cudnnCreateActivationDescriptor)
DESCRIPTOR(cudnnCreatePoolingDescriptor)
DESCRIPTOR(cudnnCreateDropoutDescriptor)

// Of an operation only the handle is looked at.
#define OPERATION(name) \
  EXPORTED int name(void* handle) { return kernel(handle); }

OPERATION(cudnnConvolutionForward)
OPERATION(cudnnConvolutionBackwardData)
OPERATION(cudnnConvolutionBackwardFilter)
OPERATION(cudnnConvolutionBiasActivationForward)
OPERATION(cudnnBatchNormalizationForwardTrainingEx)
OPERATION(cudnnBatchNormalizationForwardInference)
OPERATION(cudnnBatchNormalizationBackwardEx)
OPERATION(cudnnPoolingForward)

// The older interface to convolutions: one algorithm a direction.
namespace {

// cudnnConvolutionFwdAlgoPerf_t, and those of the backward passes.
struct Performance {
  int algorithm, status;
  float time;
  size_t memory;
  int determinism, math_type, reserved[3];
};

// The convolution's descriptor keeps its math type first, see cudnnSetConvolutionMathType.
int one_algorithm(int* found, void* results, const void* convolution = nullptr) {
  auto* const only = static_cast<Performance*>(results);
  *only = {};
  only->algorithm = 1;
  only->time = 1;
  only->memory = workspace();
  only->determinism = 1;
  only->math_type = convolution ? *static_cast<const int*>(convolution) : 0;
  *found = 1;
  return 0;
}

}  // namespace

EXPORTED int cudnnSetConvolutionMathType(void* convolution, int math_type) {
  *static_cast<int*>(convolution) = math_type;
  return 0;
}

#define ALGORITHM(name)                                                                       \
  EXPORTED int name(                                                                          \
      void*, void*, void*, void* convolution, void*, int, int* found, void* results) {        \
    return one_algorithm(found, results, convolution);                                        \
  }

ALGORITHM(cudnnGetConvolutionForwardAlgorithm_v7)
ALGORITHM(cudnnGetConvolutionBackwardDataAlgorithm_v7)
ALGORITHM(cudnnGetConvolutionBackwardFilterAlgorithm_v7)

#define TRIED_ALGORITHM(name)                                                                 \
  EXPORTED int name(                                                                          \
      void*, void*, void*, void*, void*, void*, void*, void*, int, int* found, void* results, \
      void*, size_t) {                                                                        \
    return one_algorithm(found, results);                                                     \
  }

TRIED_ALGORITHM(cudnnFindConvolutionForwardAlgorithmEx)
TRIED_ALGORITHM(cudnnFindConvolutionBackwardDataAlgorithmEx)
TRIED_ALGORITHM(cudnnFindConvolutionBackwardFilterAlgorithmEx)

#define WORKSPACE(name)                                                           \
  EXPORTED int name(void*, void*, void*, void*, void*, int, size_t* bytes) {      \
    *bytes = workspace();                                                         \
    return 0;                                                                     \
  }

WORKSPACE(cudnnGetConvolutionForwardWorkspaceSize)
WORKSPACE(cudnnGetConvolutionBackwardDataWorkspaceSize)
WORKSPACE(cudnnGetConvolutionBackwardFilterWorkspaceSize)

EXPORTED int cudnnGetBatchNormalizationForwardTrainingExWorkspaceSize(
    void*, int, int, void*, void*, void*, void*, void*, size_t* bytes) {
  *bytes = number("RESPROF_SIMULATED_BATCH_NORM_WORKSPACE", 4096);
  return 0;
}

EXPORTED int cudnnGetBatchNormalizationBackwardExWorkspaceSize(
    void*, int, int, void*, void*, void*, void*, void*, void*, void*, size_t* bytes) {
  *bytes = number("RESPROF_SIMULATED_BATCH_NORM_WORKSPACE", 4096);
  return 0;
}

EXPORTED int cudnnGetBatchNormalizationTrainingExReserveSpaceSize(
    void*, int, int, void*, void*, size_t* bytes) {
  *bytes = number("RESPROF_SIMULATED_BATCH_NORM_RESERVE", 0);
  return 0;
}

// The newer interface: descriptors keep the attributes they are given, and answer them.
namespace {

// cudnnBackendAttributeType_t, as far as not of four bytes.
enum Type {
  kHandle = 0,
  kBoolean = 2,
  kInt64 = 3,
  kDouble = 5,
  kPointer = 6,
  kDescriptor = 15,
  kChar = 24,
  kFraction = 26,
};

// cudnnBackendAttributeName_t, as far as the library itself decides.
enum Name {
  kHeuristicResults = 202,
  kConfigurationEngine = 300,
  kPlanWorkspace = 402,
  kEngineGlobalIndex = 1301,
};

struct Attribute {
  int64_t count;
  std::vector<char> bytes;
};

using Descriptor = std::map<int, Attribute>;

size_t size_of(int type) {
  switch (type) {
    case kBoolean:
    case kChar: return 1;
    case kHandle:
    case kInt64:
    case kDouble:
    case kPointer:
    case kDescriptor: return 8;
    case kFraction: return 16;
    default: return 4;
  }
}

}  // namespace

EXPORTED int cudnnBackendCreateDescriptor(int, void** made) {
  *made = new Descriptor;
  return 0;
}

EXPORTED int cudnnBackendDestroyDescriptor(void* made) {
  delete static_cast<Descriptor*>(made);
  return 0;
}

EXPORTED int cudnnBackendSetAttribute(
    void* of, int name, int type, int64_t count, const void* values) {
  const auto* const first = static_cast<const char*>(values);
  Attribute& kept = (*static_cast<Descriptor*>(of))[name];
  kept.count = count;
  kept.bytes.assign(first, first + count * size_of(type));
  return 0;
}

// One engine for whatever is asked; its plan has the workspace that was set.
EXPORTED int cudnnBackendGetAttribute(
    void* of, int name, int type, int64_t wanted, int64_t* count, void* values) {
  int64_t answered = 1;
  switch (name) {
    case kHeuristicResults:
    case kConfigurationEngine: break;  // the caller's own descriptor stands for it
    case kPlanWorkspace: *static_cast<int64_t*>(values) = workspace(); break;
    case kEngineGlobalIndex:
      if (values) *static_cast<int64_t*>(values) = 1;
      break;
    default: {
      const auto& kept = *static_cast<Descriptor*>(of);
      const auto found = kept.find(name);
      answered = found == kept.end() ? 0 : found->second.count;
      if (answered && values) {
        const size_t asked = std::min(wanted, answered) * size_of(type);
        memcpy(values, found->second.bytes.data(), std::min(asked, found->second.bytes.size()));
      }
    }
  }
  if (count) *count = answered;
  return 0;
}

EXPORTED int cudnnBackendExecute(void* handle, void*, void*) { return kernel(handle); }
