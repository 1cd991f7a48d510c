"""Which arithmetic, or which porting mistake, produced the other side's bits."""

from tflreplay.diagnosis.candidates import Candidate, candidates
from tflreplay.diagnosis.search import diagnose, diagnose_all
from tflreplay.diagnosis.summary import OpVerdict, summarize
from tflreplay.diagnosis.verdict import Fit, Verdict

__all__ = [
    "Candidate",
    "Fit",
    "OpVerdict",
    "Verdict",
    "candidates",
    "diagnose",
    "diagnose_all",
    "summarize",
]
