//! Any /proc/self/mountinfo and, behind a byte 0xff 0xff, any /proc/self/cgroup: our place is never outside what is mounted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sentinel::cgroup::hierarchy;
use std::path::Component;

fuzz_target!(|text: &[u8]| {
    let cut = text.windows(2).position(|pair| pair == [0xff; 2]).unwrap_or(text.len());
    let (mounts, cgroup) = text.split_at(cut);
    let cgroup = cgroup.get(2..).unwrap_or_default();
    for found in hierarchy::parse(mounts, cgroup) {
        let Some(own) = &found.own else { continue };
        let below = own.strip_prefix(&found.mount_point).expect("below the mount point");
        assert!(below.components().all(|part| matches!(part, Component::Normal(_))), "{found:?}");
        assert!(found.upwards().all(|path| path.starts_with(&found.mount_point)));
        assert!(found.upwards().count() <= own.components().count());
    }
    let _ = hierarchy::mounts(mounts, "cgroup").count();
});
