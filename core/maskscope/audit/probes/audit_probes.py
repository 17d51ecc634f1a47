"""Everything that the checks of one audit measure with; each part is made when a check first needs it."""

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from maskscope.audit.probes.changes import LargestChange
from maskscope.audit.probes.checked_model import checked_model, parted, takes_one_row, with_one_input
from maskscope.audit.probes.compiled_metrics import CompiledMetrics
from maskscope.audit.probes.context import AuditContext, scan_data
from maskscope.audit.probes.diagnosis import Diagnosis, diagnose
from maskscope.audit.probes.frozen_mask import FrozenMask
from maskscope.audit.probes.gradients import LossGradients
from maskscope.audit.probes.mask_trace import Trace, trace_mask, untraceable_reason
from maskscope.audit.probes.model_loss import ModelLoss
from maskscope.audit.probes.model_runner import ModelRunner
from maskscope.audit.probes.own_padding import change_by_own_padding
from maskscope.audit.probes.padded_sample import PaddedSample, padded_sample, sample_of_given
from maskscope.audit.probes.training_step import TrainingStep
from maskscope.corpus_scan import Scan
from maskscope.errors import ModelError
from maskscope.jobs import Job
from maskscope.keras_io.error_summary import error_summary

if TYPE_CHECKING:
    from maskscope.keras_io.recorded_run import Run


class AuditProbes:
    """What a check is given: the context, and what computes on it.

    Attributes:
        context: what is audited.
    """

    def __init__(self, context: AuditContext) -> None:
        self.context = context

    @cached_property
    def runner(self) -> ModelRunner:
        """The model in graph mode. Raises Unrunnable when it takes no padded batch or has several outputs."""
        return ModelRunner(self.context)

    @cached_property
    def given_runner(self) -> ModelRunner:
        """The given model in graph mode, not its copy. Raises Unrunnable as `runner`."""
        context = self.context
        if not context.copied:
            return self.runner
        given = with_one_input(context.given)
        return ModelRunner(replace(context, model=given, given=given))

    @cached_property
    def frozen(self) -> FrozenMask:
        """The model with its mask frozen."""
        return FrozenMask(self.runner)

    @cached_property
    def loss(self) -> ModelLoss:
        """The model's loss, or the one assumed for it."""
        return ModelLoss(self.runner)

    @cached_property
    def gradients(self) -> LossGradients:
        """The loss of a batch and its gradients."""
        return LossGradients(self.runner, self.loss)

    @cached_property
    def training(self) -> TrainingStep:
        """Training steps."""
        return TrainingStep(self.runner, self.loss, self.gradients)

    @cached_property
    def change_by_own_padding(self) -> LargestChange:
        """The largest change of an output by the padding that sentences really have. Raises Unrunnable."""
        return change_by_own_padding(self.runner)

    @property
    def reads_only_own_padding(self) -> bool:
        """Whether what layers read at padded positions is always the same there, and does no harm.

        A convolution reads its neighbours. Where the mask reaches all that needs it, and a sentence gets the same
        outputs alone and padded, it has found there what is always there, such as zeros.
        """
        if isinstance(self.trace, str) or self.trace.why or self.runner.n_positions is not None:
            return False
        return self.change_by_own_padding.size <= self.runner.tolerance

    @cached_property
    def metrics(self) -> CompiledMetrics:
        """The metrics that the model was compiled with."""
        return CompiledMetrics(self.gradients)

    @cached_property
    def small_sample(self) -> PaddedSample:
        """A few sentences, cut short, for checks that run the model eagerly, layer by layer. Raises ModelError."""
        return padded_sample(self.context, sentences=8, tokens=16)

    @cached_property
    def small_run(self) -> "Run":
        """The model run on `small_sample` layer by layer, with the weights as given.

        Raises TypeError for a model without a graph, ModelError, and whatever the layers raise.
        """
        from maskscope.keras_io import recorded_run

        return recorded_run.run(self.context.model, (self.small_sample.x_btd,))

    @property
    def trace(self) -> Trace | str:
        """What became of the mask in the model; or one sentence why it can't be traced."""
        return self._traced[0]

    @property
    def trace_sample(self) -> PaddedSample | None:
        """The sentences that the model was traced on; None for none."""
        return self._traced[1]

    @cached_property
    def _traced(self) -> tuple[Trace | str, PaddedSample | None]:
        """The trace of the given model, or of its copy where a layer of the given one does not run; and its sample."""
        context, sample = self.context, None
        reason = untraceable_reason(context.given)
        if reason:
            return reason, None
        try:
            if context.copied and not takes_one_row(context.given):
                sample = sample_of_given(context, 8, 16)
                found = trace_mask(context.given, parted(context.given, sample.x_btd), sample.mask_bt)
                if not found.fails:
                    return found, sample
            sample = self.small_sample
            return trace_mask(context.model, (sample.x_btd,), sample.mask_bt, given=self._whole_run()), sample
        except ModelError as error:
            return str(error), None
        except Exception as error:  # noqa: BLE001 - the layers' code may be from anyone and raise anything
            reason = error_summary(error)
            on = "" if sample is None else f" on a batch of {sample.x_btd.shape}"
            return f"The model does not run{on} ({reason}).", None

    def _whole_run(self) -> "Run | None":
        """The run of the small sample; None where a layer fails, which the trace then names."""
        try:
            return self.small_run
        except Exception:  # noqa: BLE001 - the layers' code may be from anyone and raise anything
            return None

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """The faulty layer when padding counts, and what would repair it."""
        if isinstance(self.trace, str):
            return Diagnosis()
        if self.trace.why:
            return Diagnosis(self.trace.faulty_layer, self.trace.advice, self.trace.repair)
        return diagnose(self.context, self.small_sample, self.small_run)

    def scan(self, job: Job) -> Scan:
        """The result of one pass over all sentences. Raises Cancelled."""
        context = self.context
        if context.scanned is not None:
            return context.scanned
        return scan_data(context.data, context.mask_value, context.mask_dtype, job)

    def forget_outputs(self) -> None:
        """Forget what was computed with the model's weights, which have been replaced; functions stay traced.

        A copy may hold weights of its own, so it is made anew.
        """
        if self.context.copied:
            context = replace(self.context, model=checked_model(self.context.given).model)
            self.__dict__.clear()
            self.context = context
        for name in ("small_run", "_traced", "diagnosis", "change_by_own_padding"):
            self.__dict__.pop(name, None)
        if "runner" in self.__dict__:
            self.runner.forget_outputs()
