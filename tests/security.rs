//! What an attacker would try, with the real binary: privileges, files of others, descriptors, hiding. SECURITY.md has the promises.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "security/files.rs"]
mod files;
#[path = "security/hiding.rs"]
mod hiding;
#[path = "security/inheritance.rs"]
mod inheritance;
#[path = "security/privileges.rs"]
mod privileges;
#[path = "cli/refusal.rs"]
mod refusal;
mod support;
#[path = "security/user.rs"]
mod user;

/// False, and noted, where nobody else can be played.
fn can_be_others() -> bool {
    if !support::is_root() {
        support::skip("only root can become somebody else");
    }
    support::is_root()
}

/// Lets everybody look into a scene, so that only the rights of what is in it count.
fn open_to_all(scene: &support::Scene) {
    use std::os::unix::fs::PermissionsExt;
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(scene.dir(), everybody).unwrap();
}
