//! Who of a workload gets the polite signal (`--kill-mode`).

use crate::choice::choice;

choice!(
    /// Who gets the term signal, as in systemd.kill(5).
    KillMode {
        /// Every process.
        ControlGroup = "control-group",
        /// The command's process; SIGKILL goes to every process.
        Mixed = "mixed",
        /// The command's process; the rest is ended with SIGKILL after the grace period if it is still there.
        Process = "process",
    }
);
