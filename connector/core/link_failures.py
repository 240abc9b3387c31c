"""Why a link stops, in words for the person who must act. The codes are stable."""

from __future__ import annotations

from connector.core.failure import Failure, Kind


def _fix(code: str, message: str, remedy: str) -> Failure:
    return Failure(code, Kind.FIX, message, remedy)


COPIED_MARK = _fix(
    "link.copied-mark",
    "Another object carries the mark of this link's target.",
    "Someone copied it: clear the mark on the copy, then retry.",
)
AMBIGUOUS = _fix(
    "link.ambiguous", "More than one object matches.", "Decide which one it is: link to one of them, or create."
)
TAKEN = _fix(
    "link.taken", "An object with this number or name is there already.", "Link to it, or change the number and retry."
)
FOUND = _fix("link.found-one", "One object matches.", "Decide: link to it, or create a new one.")
STRANGER = _fix(
    "link.stranger", "What was found after a lost call is not ours.", "Compare both, then link to it or create."
)
TWINS = _fix(
    "link.twins",
    "More than one object was made of this record.",
    "Decide which one stays, remove the other there, then link to it (or retry if it is linked already).",
)
UNCLAIMED = _fix(
    "link.unclaimed",
    "Links were rebuilt from a part of their events, and nothing there carries this record's mark: nobody can say "
    "whether it ever had its object.",
    "Retry to make it, link to what is there, or end the link.",
)
MEANWHILE = _fix(
    "mapping.changed-during-apply",
    "The record matched and changed while the mapping was being applied, so nobody can say whether it is old.",
    "Decide: retry to make its document, or end the link.",
)
TARGET_MISSING = _fix(
    "link.target-missing", "The target cannot be read.", "Check the permissions of the integration user, then retry."
)
TARGET_GONE = _fix(
    "link.target-gone", "Someone voided or deleted the target.", "Retry to make it again, or end the link."
)
MONEY_DIFFERS = _fix(
    "link.money-differs", "The other side computed other amounts:", "Correct the document there or here, then retry."
)
NOT_APPROVED = _fix(
    "link.not-approved", "The other side took the approval, and the document is still a draft.", "Approve it there."
)
OSCILLATES = _fix(
    "link.oscillates",
    "A field swings between the same two values.",
    "Find what sets it back, then decide which side wins.",
)
CONFLICT = _fix("link.conflict", "Both sides changed the same field.", "Decide which side wins.")
ELSEWHERE = _fix(
    "link.conflict-elsewhere",
    "Both sides changed the same field, and another mapping of the same two objects asks about it.",
    "Nothing to do here: what is decided there is decided here.",
)
WAITS = _fix(
    "link.waits", "It waits for another record to be linked first.", "Nothing to do if that one is on its way."
)
UNLINKED = _fix(
    "link.unlinked",
    "The record belongs to nothing: its own object is not linked, or the other mapping did not make it.",
    "Link it, or end this. It closes by itself once the link is there.",
)
LEFT = _fix(
    "link.left", "The record no longer matches, and its target cannot be taken back.", "Undo it there, or end the link."
)
AGAIN = _fix(
    "link.again", "The record matches again, after its target was taken back.", "Decide: create it anew, or end it."
)
IMPOSSIBLE = _fix("link.impossible", "An event that cannot be:", "Report this, with the link's history.")
CHANGED = _fix(
    "link.changed",
    "The record changed after its target was approved or paid.",
    "Change the target by hand and end the link, or set `life.changed` in the mapping.",
)

CONFLICTS = frozenset({CONFLICT.code, ELSEWHERE.code})  # of fields that both sides changed

#  Only a person ends these: what the record says next mends none of them, and a birth might double what is there.
STICKY = frozenset(failure.code for failure in (COPIED_MARK, STRANGER, TWINS, TARGET_GONE, TARGET_MISSING, IMPOSSIBLE))
