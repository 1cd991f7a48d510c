"""Which arithmetic, or which porting mistake, produced the other side's bits."""

from tflreplay.judgement.diagnosis.candidates import Candidate, candidates
from tflreplay.judgement.diagnosis.search import diagnose, diagnose_all
from tflreplay.judgement.diagnosis.summary import OpVerdict, summarize
from tflreplay.judgement.diagnosis.verdict import Fit, Verdict

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
