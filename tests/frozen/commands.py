"""The command lines whose answers are frozen, as a user types them in a folder of ``folder.py``."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One way to ask: on a terminal so many columns wide, or through a pipe (None)."""

    name: str
    columns: int | None = None
    color: bool = False
    ascii: bool = False
    options: tuple[str, ...] = ()
    suffix: str | None = None
    """What is printed lies in a file of its own, which ends so."""


TERMINALS = tuple(Form(name=f"{width} columns", columns=width) for width in (120, 80, 40))
PIPE = Form(name="pipe")
STYLED = (Form(name="colour", columns=80, color=True), Form(name="ascii", ascii=True))
CSV = Form(name="csv", options=("--csv",), suffix=".csv")
JSON = Form(name="json", options=("--json",), suffix=".json")
MARKDOWN = Form(name="markdown", options=("--format", "markdown"), suffix=".md")
HTML = Form(name="html", options=("--format", "html"), suffix=".html.txt")

TEXT = (*TERMINALS, PIPE)
ALL = (*TEXT, CSV, JSON, MARKDOWN, HTML)


_NAME_MOST = 100
"""Characters of a file name, without its suffix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command line, the forms it is asked in and the stem of its files.

    ``slow`` takes more than ten seconds; ``traced`` runs torch, of which ``TRACED_WITH`` is the
    release; ``here`` is of the machine that it runs on, which is left out of what is compared.
    """

    line: str
    forms: tuple[Form, ...] = ALL
    slow: bool = False
    traced: bool = False
    here: bool = False

    @property
    def name(self) -> str:
        """The command line without folders and without what a file name cannot hold."""
        line = re.sub(r"(reports/runs|inputs)/", "", self.line)
        return re.sub(r"[^A-Za-z0-9.]+", "-", line).strip("-.")[:_NAME_MOST] or "nothing"

    @property
    def arguments(self) -> list[str]:
        """The words of the line."""
        return shlex.split(self.line)


SIGNED = "reports/runs/20261125T054400Z-signed.jsonl"
STAGED = "reports/runs/20261125T054901Z.jsonl"

_COUNTED = (
    "list",
    "list --devices",
    "show resnet50",
    "show resnet18 resnet50-v1.5-C --image 160",
    "show cifar-resnet20 vgg16 plain34 resnext50_32x4d wide_resnet50_2",
    "flops resnet50",
    "flops resnet50 --per block",
    "flops cifar-resnet20 --per layer",
    "flops resnet50-v1.5 --mode train --batch 8",
    "flops resnet18 --per layer --mode train",
    (
        "flops resnet18 resnet34 resnet50 resnet50-v1.5 resnet101 resnet152 plain18 vgg16 vgg19 "
        "cifar-resnet20 cifar-resnet110 cifar-plain20 resnext50_32x4d wide_resnet50_2"
    ),
    (
        "flops resnet50 --image 192x256 --classes 10 --in-channels 1 --width 0.5 --shortcut c "
        "--stride-in 3x3"
    ),
    "flops resnet50 resnet18 --per stage",
    "flops resnet50 --reconcile",
    "flops resnet18 vgg16 --reconcile",
    "flops resnet50-v1.5 --unique",
    "flops resnet18 cifar-resnet20 --unique --reconcile",
    "paper",
    "paper --only flops.table1",
)
_ROOFLINES = (
    "roofline resnet50-v1.5 --device h100-sxm --precision amp-bf16 --batch 256",
    "roofline cifar-resnet20 --device a100-sxm4-80gb --mode train --per block --batch 128",
    "roofline resnet18 --device t4 --per layer --precision fp16 --fusion fused",
    "roofline resnet18 --device l4 --engine compile --memory-format channels-last",
    "roofline resnet18 --peaks inputs/peaks.jsonl --precision bf16 --mode train --checkpoint block",
    "roofline --run inputs/a100.jsonl --peaks inputs/peaks.jsonl",
    "roofline resnet50-v1.5 --run inputs/a100.jsonl --mode infer",
    "roofline --run inputs/a100.jsonl --mode train --per block --device a100-sxm4-80gb",
)
_RUNS = (
    f"compare {SIGNED}",
    f"compare {STAGED}",
    f"compare {SIGNED} {STAGED}",
    f"compare {STAGED} --baseline {SIGNED} --fail-on slower:2%,memory:5% --strict",
    f"compare {SIGNED} --published",
    "compare inputs/a100.jsonl --published",
    "compare inputs/a100.jsonl inputs/a100-faster.jsonl --fail-on energy:1%",
    "compare inputs/a100.jsonl inputs/h100.jsonl --published",
    "compare inputs/cpu-baseline.jsonl inputs/cpu-candidate.jsonl",
    "compare inputs/cpu-baseline.jsonl inputs/cpu-candidate.jsonl --fail-on slower:2%,memory:5%",
    "compare inputs/cpu-baseline.jsonl inputs/a100.jsonl inputs/h100.jsonl",
    "compare inputs/two-environments.jsonl",
    "compare inputs/cut-off.jsonl",
)
_PREDICTED = (
    "memory cifar-resnet20",
    "memory resnet50 --batch 32 --device h100-sxm",
    "memory resnet18 --mode infer --batch 1,8 --precision fp32,amp-bf16",
    (
        "memory resnet18 --batch 16 --precision amp-fp16 --memory-format channels-last "
        "--optimizer adamw --optimizer-impl fused --accumulate 2 --checkpoint block --expandable"
    ),
    "memory cifar-resnet8 --batch 32 --calibration inputs/a10.calibration",
    "memory cifar-resnet8 --precision fp32,fp16,amp-fp16 --optimizer sgd --device t4",
    "budget resnet18 --memory 16GiB --precision amp-bf16",
    "budget cifar-resnet20 resnet18 --device t4 --used 2GiB --margin 10%",
    "budget cifar-resnet8 --mode infer --calibration inputs/a10.calibration",
    "budget resnet18 --memory 600MiB",
    "validate --histories inputs/histories",
    "validate --histories inputs/histories-more --calibration inputs/a10.calibration",
)
_HELP = (
    "",
    "--help",
    "--version",
    *(
        f"{command} --help"
        for command in (
            "list",
            "show",
            "flops",
            "paper",
            "memory",
            "budget",
            "bench",
            "roofline",
            "compare",
            "validate",
            "calibrate",
            "report",
            "doctor",
        )
    ),
)
_STYLED = (
    "show resnet18",
    "paper --only flops.table1.50",
    "list --devices --json",
    f"compare {STAGED} {SIGNED}",
)
_WRITTEN = (
    "flops resnet18 -o counted.txt",
    "flops resnet18 -o counted.csv",
    "flops resnet18 -o counted.json",
    "flops resnet18 -o counted.md",
    "list -o - --csv",
    "show cifar-resnet8 -o shown.dat --format markdown",
    "flops resnet18 -o inputs/no-run.jsonl --format csv --force",
)
_REFUSED = (
    "nonsense",
    "--nonsense flops",
    "flop resnet50",
    "flops",
    "flops resnet5O",
    "flops resnet50 --nonsense",
    "flops resnet50 --per stages",
    "flops resnet50 --batch 0",
    "flops resnet50 --batch x",
    "flops resnet50 --batch 1,8",
    "flops resnet50 --image 8",
    "flops resnet50 --image 1x2x3",
    "flops resnet50 --classes 20000000",
    "flops resnet50 --width nan",
    "flops resnet50 --width wide",
    "flops vgg16 --shortcut A",
    "flops vgg16 --image 31",
    "flops resnet50-A --shortcut B",
    "flops cifar-resnet21",
    "flops resnet50 --unique --per layer",
    "flops resnet50 --reconcile --batch 2",
    "flops resnet50 --reconcile --unique --csv",
    "flops resnet50 --json --csv",
    "flops resnet50 --force",
    "flops resnet50 -o x.xls",
    "flops resnet50 -o x.json --csv",
    "flops resnet50 -o no/such/folder/x.json",
    "flops resnet50 -o inputs/no-run.jsonl --csv",
    "show",
    "show alexnet",
    "list resnet50",
    "paper --only nonsense",
    "memory",
    "memory resnet50 resnet18",
    "memory resnet50 --precision fp8",
    "memory resnet50 --device h1000",
    "memory resnet50 --mode infer --optimizer adam",
    "memory resnet50 --precision bf16 --device t4",
    "memory resnet50 --accumulate 0",
    "memory resnet50 --batch 2,,4",
    "memory resnet50 --calibration nowhere.json",
    "memory resnet50 --calibration inputs/no-run.jsonl",
    "budget resnet50",
    "budget resnet50 --memory 80G",
    "budget resnet50 --memory 80",
    "budget resnet50 --memory 80GiB --device t4",
    "budget resnet50 --memory 80GiB --margin 200%",
    "budget resnet50 --memory 80GiB --used much",
    "roofline",
    "roofline resnet50",
    "roofline --device t4",
    "roofline resnet50 --device cpu",
    "roofline resnet50 --device t4 --precision bf16",
    "roofline resnet50 --device t4 --mode infer --checkpoint block",
    "roofline --run nowhere.jsonl",
    "roofline --run inputs/a100.jsonl --image 64",
    "roofline resnet18 --run inputs/a100.jsonl",
    f"roofline --run {STAGED}",
    "compare",
    "compare nowhere.jsonl",
    "compare inputs/no-run.jsonl",
    "compare inputs/another-schema.jsonl",
    f"compare {SIGNED} {SIGNED}",
    f"compare {SIGNED} --fail-on slower:2%",
    f"compare {SIGNED} {STAGED} --strict",
    f"compare {SIGNED} {STAGED} --fail-on faster:2%",
    f"compare {SIGNED} {STAGED} --fail-on slower",
    f"compare {SIGNED} {STAGED} --fail-on slower:2%,slower:3%",
    f"compare {SIGNED} --published --csv",
    f"compare {SIGNED} -o {SIGNED} --force --json",
    "compare inputs/a100.jsonl inputs/h100.jsonl --fail-on slower:2%",
    "validate --device tpu",
    "validate --only largest",
    "validate resnet50 --histories inputs/histories",
    "validate --histories nowhere",
    "validate --histories reports",
    "validate --tolerance much",
    "calibrate --device cpu",
    "calibrate --json",
    "report --out ' '",
    "report --out inputs/no-run.jsonl",
    "bench",
    "bench cifar-resnet8 --resume",
    "bench cifar-resnet8 --device gpu",
    "bench cifar-resnet8 --metric speed",
    "bench cifar-resnet8 --launches 0",
    "bench cifar-resnet8 --time-limit soon",
    "bench cifar-resnet8 --target-ci much",
    "bench cifar-resnet8 --optimizer adam",
    "bench cifar-resnet8 --run inputs/no-run.jsonl",
    "doctor resnet50",
    "doctor --json --csv",
)
_WITHOUT_A_GPU = (
    "calibrate",
    "calibrate --peaks",
    "validate cifar-resnet8 --device cuda --only workloads",
    "bench cifar-resnet8 --device cuda --run run.jsonl",
)


def _commands() -> tuple[Command, ...]:
    found = [Command(line=line) for line in (*_COUNTED, *_ROOFLINES, *_RUNS)]
    found += [Command(line=line, traced=True) for line in _PREDICTED]
    found += [Command(line=line, forms=TEXT) for line in _HELP]
    found += [Command(line=line, forms=STYLED) for line in _STYLED]
    found += [
        Command(line="flops cifar-resnet8 --check", forms=(*TERMINALS, CSV, JSON), traced=True),
        Command(line="flops resnet18 --image 32 --check --mode train", forms=(PIPE,), traced=True),
        Command(
            line="budget cifar-resnet8 --memory 1GiB --grid",
            forms=(*TERMINALS, CSV, JSON),
            traced=True,
        ),
        Command(
            line="validate cifar-resnet8", forms=(PIPE, JSON), slow=True, traced=True, here=True
        ),
        Command(
            line="report --no-measure --quick", forms=(PIPE,), slow=True, traced=True, here=True
        ),
    ]
    return tuple(found)


COMMANDS = _commands()
"""Those with files of their own."""

GATHERED = {
    "refused": tuple(Command(line=line, forms=(PIPE,)) for line in _REFUSED),
    "written": tuple(Command(line=line, forms=(PIPE,)) for line in _WRITTEN),
    "without-a-gpu": tuple(Command(line=line, forms=(PIPE,)) for line in _WITHOUT_A_GPU),
}
"""Short answers, many to a file."""
