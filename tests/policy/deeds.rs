//! Deeds whose result comes back to the policy.

use sentinel::event::{Action, Deed};

/// The deed that an action leads to, if it is told only whether it was done.
pub fn deed(action: &Action) -> Option<Deed> {
    Some(match action {
        Action::SetPids(limit) => Deed::Pids(*limit),
        Action::Signal(one) => Deed::Signal(*one),
        Action::Freeze => Deed::Freeze,
        Action::Thaw => Deed::Thaw,
        Action::Terminate => Deed::Terminate,
        Action::Kill => Deed::Kill,
        Action::EndProcess(end) => Deed::EndProcess(*end),
        Action::SetTripWire(_) | Action::SetLines(_) | Action::Weigh => return None,
        Action::Look | Action::Choose(_) | Action::Tell(_) | Action::Finish(_) => return None,
    })
}
