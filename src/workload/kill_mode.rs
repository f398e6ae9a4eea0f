//! Who of a workload gets the polite signal (`--kill-mode`).

use crate::choice::choice;

choice!(
    /// Which processes get the term signal, as in systemd.kill(5).
    KillMode {
        /// Every process of the workload
        ControlGroup = "control-group",
        /// The command's process; SIGKILL goes to every process
        Mixed = "mixed",
        /// The command's process; what is left after the grace period gets SIGKILL
        Process = "process",
    }
);
