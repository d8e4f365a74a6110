"""Accuracies: reference only, since nothing is trained; arithmetic is on printed figures."""

from __future__ import annotations

from fractions import Fraction

from resprof.answers.paper.context import Context, Evaluator, listing, reference
from resprof.model.published import Claim, Finding, PublishedAccuracy, accuracies, digits_of, judge


def _accuracy(accuracy_id: str) -> PublishedAccuracy:
    return next(accuracy for accuracy in accuracies() if accuracy.id == accuracy_id)


def _difference(larger: str, smaller: str) -> Evaluator:
    def evaluate(claim: Claim, _: Context) -> Finding:
        a, b = _accuracy(larger), _accuracy(smaller)
        gap = Fraction(a.printed) - Fraction(b.printed)
        return reference(
            f"{a.where}: {a.printed} - {b.printed} = {float(gap):g}, {_how(claim, gap)}."
        )

    return evaluate


def _relative_gain(claim: Claim, _: Context) -> Finding:
    a, b = _accuracy("coco.resnet101"), _accuracy("coco.vgg16")
    gain = 100 * (Fraction(a.printed) / Fraction(b.printed) - 1)
    return reference(
        f"{a.where}: ({a.printed} - {b.printed}) / {b.printed} = {float(gain):.2f}%, "
        f"{_how(claim, gain)}."
    )


def _how(claim: Claim, value: Fraction) -> str:
    return f"{judge(claim.printed, value)} ({digits_of(claim.printed, value)})"


def _below_ensembles(claim: Claim, _: Context) -> Finding:
    single = _accuracy("top5.resnet152")
    earlier = [accuracy for accuracy in accuracies() if accuracy.where == "Table 5"]
    best = min(earlier, key=lambda accuracy: Fraction(accuracy.printed))
    below = Fraction(claim.printed) < Fraction(best.printed)
    return reference(
        f"{single.where} prints {single.printed}, {'below' if below else 'not below'} the best "
        f"earlier ensemble of {best.where}, {best.what.rsplit(', ', 1)[1]} with {best.printed} "
        f"({listing(sorted(accuracy.printed for accuracy in earlier))}); those are test errors, "
        "this is a validation error."
    )


def _error_of_1202(_: Claim, __: Context) -> Finding:
    return reference("an error rate: reproducing it takes training, which resprof does not do.")


EVALUATORS: dict[str, Evaluator] = {
    "acc.34_vs_18": _difference("top1.resnet18", "top1.resnet34"),
    "acc.34_vs_plain": _difference("top1.plain34", "top1.resnet34"),
    "acc.coco": _difference("coco.resnet101", "coco.vgg16"),
    "acc.coco_rel": _relative_gain,
    "acc.coco50": _difference("coco50.resnet101", "coco50.vgg16"),
    "acc.449": _below_ensembles,
    "cifar.1202": _error_of_1202,
}
