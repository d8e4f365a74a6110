"""Telemetry against a scripted NVML: what a driver does not tell is None, and nothing is raised."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from typing import Any

import pytest

from resprof.codec import from_plain, to_plain
from resprof.measure import nvml_device
from resprof.measure.nvml import Nvml, between, normal_pci, open_nvml
from resprof.measure.nvml_device import others
from resprof.model.environment import (
    GpuReading,
    GpuSettings,
    NvmlReport,
    NvmlState,
    RoundTelemetry,
    Throttled,
    ThrottlePolicy,
)
from tests.measure.fake_nvml import (
    DRIVER_NOT_LOADED,
    FUNCTION_NOT_FOUND,
    GPU_IS_LOST,
    INVALID_ARGUMENT,
    LIB_RM_VERSION_MISMATCH,
    LIBRARY_NOT_FOUND,
    NO_PERMISSION,
    NOT_SUPPORTED,
    TIMEOUT,
    FakeDevice,
    FakeNvml,
)

BARE = FakeDevice().uuid.removeprefix("GPU-")
OTHER = FakeDevice(uuid="GPU-other", name="NVIDIA A10", pci=(0, 0x17, 0), power_w=20.0)
READ_FUNCTIONS = {
    "nvmlDeviceGetClockInfo": ("sm_clock_hz", "memory_clock_hz"),
    "nvmlDeviceGetPowerUsage": ("power_w",),
    "nvmlDeviceGetTotalEnergyConsumption": ("energy_j",),
}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def opened(
    nvml: FakeNvml,
    uuid: str | None = BARE,
    pci: str | None = None,
    *,
    context: bool | None = True,
    clock: Clock | None = None,
) -> Nvml:
    return open_nvml(
        uuid, pci, load=lambda: nvml, holds_context=lambda: context, clock=clock or Clock()
    )


def settings(nvml: Nvml) -> GpuSettings:
    assert nvml.report.state is NvmlState.AVAILABLE
    assert nvml.report.message is None
    assert nvml.report.settings is not None
    return nvml.report.settings


def reading(nvml: Nvml) -> GpuReading:
    found = nvml.read()
    assert found is not None
    return found


def test_settings_and_readings_come_in_base_units() -> None:
    device = FakeDevice(pids=[os.getpid(), 17], throttled_s={0: 1.5, 1: 0.25})
    with opened(FakeNvml(device)) as nvml:
        assert settings(nvml) == GpuSettings(
            name="NVIDIA H100 80GB HBM3",
            uuid=device.uuid,
            pci_bus_id="00000000:41:00.0",
            driver="580.159.04",
            cuda_driver="13.0",
            memory_bytes=80 * 2**30,
            ecc=True,
            mig=False,
            persistence=True,
            compute_mode="default",
            power_limit_w=700.0,
            power_default_w=700.0,
            sm_clock_max_hz=1.98e9,
            memory_clock_max_hz=2.619e9,
            processes=1,
        )
        assert nvml.read() == GpuReading(
            at_s=100.0,
            sm_clock_hz=1.755e9,
            memory_clock_hz=2.619e9,
            power_w=650.0,
            temperature_c=61,
            energy_j=1000.0,
            throttled=(
                Throttled(policy=ThrottlePolicy.POWER, seconds=1.5),
                Throttled(policy=ThrottlePolicy.THERMAL, seconds=0.25),
            ),
            reasons=("power cap",),
            processes=1,
        )


def test_a_report_and_a_round_come_back_from_json() -> None:
    device = FakeDevice()
    with opened(FakeNvml(device)) as nvml:
        before = nvml.read()
        device.advance(2)
        lies_between = between(before, nvml.read())
    assert from_plain(NvmlReport, to_plain(nvml.report)) == nvml.report
    assert from_plain(RoundTelemetry, to_plain(lies_between)) == lies_between


@pytest.mark.parametrize(
    ("code", "state", "word"),
    [
        (LIBRARY_NOT_FOUND, NvmlState.NO_DRIVER, "library"),
        (DRIVER_NOT_LOADED, NvmlState.NO_DRIVER, "not loaded"),
        (NO_PERMISSION, NvmlState.NO_PERMISSION, "user"),
        (NOT_SUPPORTED, NvmlState.NOT_SUPPORTED, "offer"),
        (LIB_RM_VERSION_MISMATCH, NvmlState.FAILED, "restart"),
        (GPU_IS_LOST, NvmlState.FAILED, "error 15"),
    ],
)
def test_an_nvml_that_refuses_says_whose_lack_it_is(code: int, state: NvmlState, word: str) -> None:
    fake = FakeNvml(FakeDevice(), refuses={"nvmlInit": code})
    nvml = opened(fake)
    assert nvml.report.state is state
    assert word in (nvml.report.message or "")
    assert "\n" not in (nvml.report.message or "")
    assert nvml.read() is None
    nvml.close()
    assert fake.calls["nvmlShutdown"] == 0


def test_a_missing_and_a_broken_module_are_told_apart() -> None:
    def missing() -> Any:
        raise ModuleNotFoundError("No module named 'pynvml'")

    def broken() -> Any:
        raise RuntimeError("half an installation")

    assert open_nvml(BARE, load=missing).report.state is NvmlState.NOT_INSTALLED
    report = open_nvml(BARE, load=broken).report
    assert report.state is NvmlState.FAILED
    assert "half an installation" in (report.message or "")


@pytest.mark.parametrize("uuid", [BARE, f"GPU-{BARE}"])
def test_the_device_is_found_by_uuid_in_whatever_order_nvml_lists(uuid: str) -> None:
    wanted = FakeDevice()
    for devices in ((wanted, OTHER), (OTHER, wanted)):
        with opened(FakeNvml(*devices), uuid) as nvml:
            assert settings(nvml).name == "NVIDIA H100 80GB HBM3"
            assert reading(nvml).power_w == 650.0


@pytest.mark.parametrize(
    "address", ["0000:41:00.0", "00000000:41:00.0", "00000000:41:00", "41:00.0", "0000:41:00.0\n"]
)
def test_the_device_is_found_by_pci_address_in_any_of_its_forms(address: str) -> None:
    with opened(FakeNvml(OTHER, FakeDevice()), None, address) as nvml:
        assert settings(nvml).uuid == FakeDevice().uuid


def test_a_domain_of_eight_digits_is_kept() -> None:
    device = FakeDevice(pci=(0x10001, 0x0A, 0x1F))
    assert normal_pci("00010001:0a:1f.0") == "00010001:0A:1F.0"
    with opened(FakeNvml(OTHER, device), None, "10001:0a:1f.0") as nvml:
        assert settings(nvml).pci_bus_id == "00010001:0A:1F.0"
    assert normal_pci("no address") is None
    assert normal_pci(None) is None


def test_a_device_that_is_not_listed_is_no_other_device() -> None:
    fake = FakeNvml(OTHER)
    for uuid, address in ((BARE, None), (None, "0000:41:00.0"), (BARE, "0000:41:00.0")):
        nvml = opened(fake, uuid, address)
        assert nvml.report.state is NvmlState.NO_MATCH
        assert (uuid or address or "") in (nvml.report.message or "")
        assert nvml.read() is None
    assert fake.opened == 0


def test_without_a_device_to_find_nvml_is_let_go_again() -> None:
    fake = FakeNvml(OTHER)
    nvml = opened(fake, None, None)
    assert nvml.report.state is NvmlState.NO_MATCH
    assert nvml.report.message == "NVML lists NVIDIA A10; CUDA names none of them"
    assert fake.opened == 0
    assert opened(FakeNvml(), None, None).report.state is NvmlState.NO_MATCH


def test_a_device_that_may_not_be_asked_is_not_called_absent() -> None:
    refuses = {"nvmlDeviceGetHandleByUUID": NO_PERMISSION}
    nvml = opened(FakeNvml(FakeDevice(), refuses=refuses))
    assert nvml.report.state is NvmlState.NO_PERMISSION


def test_the_pci_address_helps_where_the_uuid_does_not() -> None:
    refuses = {"nvmlDeviceGetHandleByUUID": INVALID_ARGUMENT}
    with opened(FakeNvml(OTHER, FakeDevice(), refuses=refuses), BARE, "0000:41:00.0") as nvml:
        assert settings(nvml).uuid == FakeDevice().uuid


@pytest.mark.parametrize("uuid", ["aaaa", "GPU-aaaa", "MIG-aaaa"])
def test_a_mig_device_is_read_on_its_card(uuid: str) -> None:
    card = FakeDevice(mig=1, mig_uuids=("MIG-aaaa", "MIG-bbbb"))
    with opened(FakeNvml(OTHER, card), uuid) as nvml:
        assert settings(nvml).mig is True
        assert settings(nvml).uuid == card.uuid
        assert reading(nvml).power_w == 650.0


def test_mig_is_told_by_the_card_too() -> None:
    with opened(FakeNvml(FakeDevice(mig=1))) as nvml:
        assert settings(nvml).mig is True


def every_function() -> list[str]:
    return [name for name in dir(FakeNvml) if name.startswith(("nvmlDeviceGet", "nvmlSystem"))]


@pytest.mark.parametrize("code", [NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND, TIMEOUT])
def test_a_device_that_tells_nothing_gives_none_throughout(code: int) -> None:
    kept = ("nvmlDeviceGetHandleByUUID",)
    refuses = {name: code for name in every_function() if name not in kept}
    with opened(FakeNvml(FakeDevice(), refuses=refuses)) as nvml:
        told = settings(nvml)
        assert (told.name, told.uuid) == ("unknown", BARE)
        unknown = [f.name for f in fields(told) if f.name not in {"name", "uuid"}]
        assert all(getattr(told, name) is None for name in unknown)
        found = reading(nvml)
        assert found == GpuReading(
            at_s=found.at_s, **{f.name: None for f in fields(found) if f.name != "at_s"}
        )


@pytest.mark.parametrize("function", READ_FUNCTIONS)
def test_a_single_field_that_is_refused_leaves_the_rest(function: str) -> None:
    with opened(FakeNvml(FakeDevice())) as nvml:
        whole = reading(nvml)
    with opened(FakeNvml(FakeDevice(refuses={function: NOT_SUPPORTED}))) as nvml:
        part = reading(nvml)
    lacking = to_plain(whole) | dict.fromkeys(READ_FUNCTIONS[function])
    assert to_plain(part) == lacking


def test_what_is_not_supported_is_asked_once_and_what_may_pass_again() -> None:
    device = FakeDevice(
        refuses={
            "nvmlDeviceGetPowerUsage": NOT_SUPPORTED,
            "nvmlDeviceGetTotalEnergyConsumption": TIMEOUT,
        }
    )
    fake = FakeNvml(device)
    with opened(fake) as nvml:
        for _ in range(3):
            assert reading(nvml).power_w is None
        device.refuses.clear()
        last = reading(nvml)
    assert fake.calls["nvmlDeviceGetPowerUsage"] == 1
    assert fake.calls["nvmlDeviceGetTotalEnergyConsumption"] == 4
    assert (last.power_w, last.energy_j) == (None, 1000.0)


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ("nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature"),
        (
            "nvmlDeviceGetCurrentClocksEventReasons",
            "nvmlDeviceGetCurrentClocksThrottleReasons",
        ),
        (
            "nvmlDeviceGetComputeRunningProcesses_v3",
            "nvmlDeviceGetComputeRunningProcesses_v2",
        ),
    ],
)
def test_an_older_driver_or_module_is_asked_in_its_own_words(newer: str, older: str) -> None:
    with opened(FakeNvml(FakeDevice(pids=[1]))) as nvml:
        whole = reading(nvml)
    fake = FakeNvml(FakeDevice(pids=[1], refuses={newer: FUNCTION_NOT_FOUND}))
    with opened(fake) as nvml:
        assert reading(nvml) == reading(nvml) == whole
    assert fake.calls[newer] == 1
    older_module = FakeNvml(FakeDevice(pids=[1]))
    setattr(older_module, newer, None)
    with opened(older_module) as nvml:
        assert reading(nvml) == whole
    assert older_module.calls[older] >= 1


def test_throttle_counters_are_fields_or_else_violation_times() -> None:
    counters = {policy: 1.0 + policy for policy in range(6)}
    everything = tuple(
        Throttled(policy=policy, seconds=1.0 + number)
        for number, policy in enumerate(ThrottlePolicy)
    )
    for in_fields, refuses, calls in (
        (range(6), {}, (3, 0)),
        ((0, 1), {}, (3, 12)),
        ((), {}, (1, 18)),
        (range(6), {"nvmlDeviceGetFieldValues": FUNCTION_NOT_FOUND}, (1, 18)),
    ):
        device = FakeDevice(
            throttled_s=dict(counters), in_fields=frozenset(in_fields), refuses=dict(refuses)
        )
        fake = FakeNvml(device)
        with opened(fake) as nvml:
            assert [reading(nvml).throttled for _ in range(3)] == [everything] * 3
        asked = (
            fake.calls["nvmlDeviceGetFieldValues"],
            fake.calls["nvmlDeviceGetViolationStatus"],
        )
        assert asked == calls


def test_a_policy_that_no_function_knows_is_left_out_and_not_asked_again() -> None:
    fake = FakeNvml(FakeDevice(throttled_s={0: 2.0}))
    with opened(fake) as nvml:
        for _ in range(3):
            assert reading(nvml).throttled == (Throttled(policy=ThrottlePolicy.POWER, seconds=2.0),)
    assert fake.calls["nvmlDeviceGetViolationStatus"] == 5
    with opened(FakeNvml(FakeDevice(throttled_s={}))) as nvml:
        assert reading(nvml).throttled is None


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (0x0, ()),
        (0x1, ()),
        (0x5, ("power cap",)),
        (0x68, ("hardware slowdown", "software thermal slowdown", "hardware thermal slowdown")),
        (0x1002, ("clocks set by the user", "reason 0x1000")),
    ],
)
def test_reasons_are_named_and_idleness_is_none(mask: int, words: tuple[str, ...]) -> None:
    with opened(FakeNvml(FakeDevice(reasons=mask))) as nvml:
        assert reading(nvml).reasons == words


def test_a_round_lies_between_its_readings() -> None:
    device, clock = FakeDevice(), Clock()
    with opened(FakeNvml(device), clock=clock) as nvml:
        before = nvml.read()
        device.advance(4, share=0.25)
        device.sm_clock, device.reasons, clock.now = 1410, 0x40, clock.now + 4
        lies_between = between(before, nvml.read())
    assert lies_between is not None
    assert lies_between.seconds == 4
    assert lies_between.energy_j == pytest.approx(2600)
    assert lies_between.sm_clock_hz == 1.41e9
    assert lies_between.reasons == ("hardware thermal slowdown",)
    seconds = {t.policy: t.seconds for t in lies_between.throttled or ()}
    assert seconds[ThrottlePolicy.POWER] == pytest.approx(1)
    assert seconds[ThrottlePolicy.THERMAL] == 0


def test_counters_that_fell_are_unknown() -> None:
    device = FakeDevice(throttled_s={0: 5.0, 1: 0.0})
    with opened(FakeNvml(device)) as nvml:
        before = nvml.read()
        device.restart()
        lies_between = between(before, nvml.read())
    assert lies_between is not None
    assert lies_between.energy_j is None
    assert [t.policy for t in lies_between.throttled or ()] == [ThrottlePolicy.THERMAL]
    device = FakeDevice(throttled_s={0: 5.0})
    with opened(FakeNvml(device)) as nvml:
        before = nvml.read()
        device.restart()
        lies_between = between(before, nvml.read())
    assert lies_between is not None
    assert lies_between.throttled is None


def test_an_energy_counter_that_stood_still_is_not_a_device_that_drew_nothing() -> None:
    with opened(FakeNvml(FakeDevice())) as nvml:
        lies_between = between(nvml.read(), nvml.read())
    assert lies_between is not None
    assert lies_between.energy_j is None


def test_what_one_of_the_readings_lacks_is_unknown_between_them() -> None:
    with opened(FakeNvml(FakeDevice())) as nvml:
        whole = reading(nvml)
    bare = replace(whole, energy_j=None, throttled=None)
    for before, after in ((bare, whole), (whole, bare)):
        lies_between = between(before, after)
        assert lies_between is not None
        assert (lies_between.energy_j, lies_between.throttled) == (None, None)
    assert between(None, whole) is None
    assert between(whole, None) is None


def test_a_closed_telemetry_reads_nothing_and_lets_go_once() -> None:
    fake = FakeNvml(FakeDevice())
    nvml = opened(fake)
    assert fake.opened == 1
    nvml.close()
    nvml.close()
    assert nvml.read() is None
    assert fake.opened == 0


def test_what_this_process_holds_is_told_by_its_own_number_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = os.getpid()
    monkeypatch.setattr(nvml_device, "in_pid_namespace", lambda: False)
    device = FakeDevice(pids=[own, own + 1], used={own: 2**30, own + 1: 2**31})
    assert opened(FakeNvml(device)).process_bytes() == 2**30
    device.used.clear()  # not told
    assert opened(FakeNvml(device)).process_bytes() is None
    device.pids.remove(own)
    assert opened(FakeNvml(device)).process_bytes() is None
    device.refuses["nvmlDeviceGetComputeRunningProcesses_v3"] = NOT_SUPPORTED
    device.refuses["nvmlDeviceGetComputeRunningProcesses_v2"] = NOT_SUPPORTED
    assert opened(FakeNvml(device)).process_bytes() is None
    monkeypatch.setattr(nvml_device, "in_pid_namespace", lambda: True)
    namespaced = FakeDevice(pids=[own], used={own: 2**30})  # another process of that number
    assert opened(FakeNvml(namespaced)).process_bytes() is None


@pytest.mark.parametrize(("mig", "is_slice"), [(0, False), (1, True)])
def test_a_slice_of_a_card_is_known_as_one(mig: int, is_slice: bool) -> None:
    assert opened(FakeNvml(FakeDevice(mig=mig))).is_slice is is_slice


@pytest.mark.parametrize(
    ("pids", "context", "namespaced", "count"),
    [
        ([7], True, False, 0),
        ([7, 8, 9], True, True, 2),
        ([7, 8], None, True, 1),
        # Ours is not in the list.
        ([], False, False, 0),
        ([8, 9], False, True, 2),
        ([8, 9], None, False, 2),
        # It must be, under a number that we do not know.
        ([8], True, True, 0),
        ([8, 9, 9], True, True, 1),
        # The driver hides it, and so would others be.
        ([], True, True, None),
        # It may be.
        ([8], None, True, None),
        ([], None, True, 0),
    ],
)
def test_other_processes_are_counted_as_far_as_a_container_lets_us(
    pids: list[int], context: bool | None, namespaced: bool, count: int | None
) -> None:
    assert others(pids, 7, context=context, namespaced=namespaced) == count


def test_every_name_and_number_of_the_fake_is_the_real_modules() -> None:
    real = pytest.importorskip("pynvml", exc_type=ImportError)
    for name in (n for n in dir(FakeNvml) if n.startswith(("nvml", "NVML"))):
        assert hasattr(real, name), name
        if isinstance(getattr(FakeNvml, name), int):
            assert getattr(real, name) == getattr(FakeNvml, name), name
    assert real.NVMLError(NOT_SUPPORTED).value == NOT_SUPPORTED
    assert real.c_nvmlFieldValue_t().value.ullVal == 0
    assert real.c_nvmlViolationTime_t().violationTime == 0
    assert real.nvmlPciInfo_t().domain == 0


def test_the_real_module_answers_here_without_raising() -> None:
    with open_nvml("GPU-00000000-0000-0000-0000-000000000000", "0000:ff:1f.0") as nvml:
        assert nvml.report.state is not NvmlState.AVAILABLE
        assert nvml.report.message
        assert nvml.read() is None
