"""ISO 20022 beside the core: camt.056 out, camt.029 in. Needs the extra `iso20022`.

A bank abroad, or a clearing system, knows these messages and not our package. They ask and answer;
they carry no signature of ours, so a receipt that is read from one is of grade B at most.

Source: ISO 20022 camt.056.001.08 (FIToFIPaymentCancellationRequest) and camt.029.001.09
(ResolutionOfInvestigation).
"""

from fzalert.freeze.iso20022.cancellation import write_cancellation
from fzalert.freeze.iso20022.resolution import Resolution, ResolutionStatus, read_resolution

__all__ = ["Resolution", "ResolutionStatus", "read_resolution", "write_cancellation"]
