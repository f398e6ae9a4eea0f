//! `sentinel doctor`: what kind of place this is, which tier and which row of the placement table a run would get here, why
//! each better one is not to be had, and the lines to paste. Looks, and changes nothing.

use crate::cgroup::ancestors::Ancestors;
use crate::cgroup::hierarchy::OuterLimit;
use crate::cgroup::hugetlb::in_memory_current;
use crate::cgroup::{Cgroup, attribute};
use crate::escape::escape;
use crate::placement::demand::{Demand, Means, Unmet};
use crate::placement::surroundings::{Surroundings, container};
use crate::placement::{Route, WORKLOAD, obstacle, why_not};
use crate::status::Tier;
use crate::sys::memory;
use crate::systemd::Manager;
use anyhow::Result;
use nix::fcntl::OFlag;
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// Version of the JSON: raised when a field changes its meaning.
const SCHEMA: u32 = 1;

/// The finding.
#[derive(Debug, Serialize)]
pub struct Finding {
    schema: u32,
    /// The tier that a run would get.
    pub tier: Tier,
    /// The row of the placement table, in tier `kernel`.
    pub placement: Option<&'static str>,
    /// Why no better tier; empty for the best.
    pub reason: String,
    kernel: String,
    distribution: Option<String>,
    wsl: bool,
    container: Option<String>,
    root: bool,
    cgroup: Layout,
    outer_limit: String,
    pressure: bool,
    /// Whether the guardian's own memory can be locked.
    memory_lock: bool,
    /// Whether the kernel's OOM killer can be told to take the guardian last.
    oom_score_lowered: bool,
    swap_total: u64,
    /// The pool of huge pages, and what a limit has to do with them.
    huge_pages: u64,
    huge_pages_counted: &'static str,
    systemd: Systemd,
    rows: Vec<RowFinding>,
    /// Whether the kernel holds `memory.high` and `memory.max` at the limit.
    kernel_limits: bool,
    /// Options that a run here cannot put in force: asked for, they are an error.
    not_in_force: Vec<Unmet>,
    /// Lines to paste for a better tier.
    pub remedy: Vec<String>,
    /// Why not even tier `hybrid`, where the tier is `polled` and the best one is out of reach for everybody.
    not_hybrid: Option<String>,
    /// Lines to paste for tier `hybrid` then.
    hybrid_remedy: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Layout {
    mount: Option<String>,
    read_only: bool,
    own: Option<String>,
    controllers: Vec<String>,
    memory_controller: &'static str,
    delegated: bool,
}

#[derive(Debug, Serialize)]
struct Systemd {
    running: bool,
    version: Option<String>,
    system_manager: Option<String>,
    user_manager: Option<String>,
}

#[derive(Debug, Serialize)]
struct RowFinding {
    row: &'static str,
    usable: bool,
    why_not: Option<String>,
}

/// Looks at this place.
///
/// # Errors
/// When /proc is not readable.
pub fn examine() -> Result<Finding> {
    let around = Surroundings::look()?;
    let ancestors = Ancestors::ours(&around.hierarchies, around.machine);
    let rows: Vec<RowFinding> = Route::ALL.iter().map(|row| look_at(*row, &around)).collect();
    let row = Route::ALL.into_iter().zip(&rows).find(|(_, found)| found.usable).map(|(row, _)| row);
    let chosen = row.map(Route::name);
    let tier = tier(&around, chosen.is_some());
    let best = tier == Tier::Kernel;
    let polled = tier == Tier::Polled && around.memory().is_none();
    let not_hybrid = polled.then(|| obstacle::why_not_hybrid(&around)).flatten();
    let hybrid_remedy = match not_hybrid {
        Some(_) => obstacle::remedy_for(&around, Tier::Hybrid),
        None => Vec::new(),
    };
    Ok(Finding {
        schema: SCHEMA,
        tier,
        placement: chosen,
        reason: if best { String::new() } else { why(&around, &rows) },
        distribution: distribution(),
        wsl: around.wsl(),
        container: container(),
        root: around.uid == 0,
        cgroup: layout(&around),
        outer_limit: describe(&ancestors.outer_limit()),
        pressure: Path::new("/proc/pressure/memory").exists(),
        memory_lock: memory::lock(),
        oom_score_lowered: memory::lower_oom_score(),
        swap_total: around.machine.swap.0,
        kernel_limits: best,
        not_in_force: Demand::unmet(&means(&around, &ancestors, tier, row)),
        huge_pages: around.machine.huge_pages.0,
        huge_pages_counted: huge_pages_counted(&around),
        systemd: systemd(&around),
        rows,
        remedy: if best { Vec::new() } else { obstacle::remedy(&around) },
        not_hybrid,
        hybrid_remedy,
        kernel: around.release,
    })
}

/// What the table says, and for a plain directory whether we may write there: everything else is asked, not tried.
fn look_at(row: Route, around: &Surroundings) -> RowFinding {
    let why_not = why_not(row, around, None).or_else(|| not_writable(row, around));
    RowFinding { row: row.name(), usable: why_not.is_none(), why_not }
}

fn not_writable(row: Route, around: &Surroundings) -> Option<String> {
    let memory = around.memory()?;
    let directory = match row {
        Route::NamespaceRoot => memory.mount_point.clone(),
        Route::Delegated => around.unit.clone()?,
        Route::Plain if around.systemd => memory.mount_point.clone(),
        Route::Plain => memory.own.clone()?,
        Route::Given | Route::SystemScope | Route::UserScope => return None,
    };
    let writable = Cgroup::open(&directory)
        .is_ok_and(|cgroup| cgroup.file("cgroup.subtree_control", OFlag::O_WRONLY).is_ok());
    (!writable).then(|| format!("not allowed to make a cgroup in {}", shown(&directory)))
}

fn tier(around: &Surroundings, kernel: bool) -> Tier {
    let writable = around.hierarchies.first().and_then(|hierarchy| hierarchy.own.as_deref());
    let writable = writable.and_then(|own| Cgroup::open(own).ok());
    let writable = writable.is_some_and(|own| own.file("cgroup.procs", OFlag::O_WRONLY).is_ok());
    match () {
        () if kernel => Tier::Kernel,
        () if around.own_limits().is_some() => Tier::Observed,
        () if writable => Tier::Hybrid,
        () => Tier::Polled,
    }
}

/// As far as it can be told without making a cgroup.
fn means(around: &Surroundings, ancestors: &Ancestors, tier: Tier, row: Option<Route>) -> Means {
    let own = around.memory().and_then(|memory| memory.own.as_deref());
    let swap = own.map(|own| ancestors.swap_around(&own.join(WORKLOAD)));
    let pressure = Path::new("/proc/pressure/memory").exists();
    Means {
        tier,
        row,
        pids: around.memory().is_some_and(|memory| memory.has_controller("pids")),
        freezer: matches!(tier, Tier::Kernel | Tier::Hybrid),
        pressure: pressure && matches!(tier, Tier::Kernel | Tier::Observed),
        no_swap: swap.and_then(|swap| swap.why_none()),
    }
}

fn why(around: &Surroundings, rows: &[RowFinding]) -> String {
    if obstacle::find(around) == obstacle::Obstacle::Other {
        return rows.last().and_then(|row| row.why_not.clone()).unwrap_or_default();
    }
    obstacle::reason(around, &[])
}

fn layout(around: &Surroundings) -> Layout {
    let v2 = around.memory().or(around.hierarchies.first());
    let own = v2.and_then(|hierarchy| hierarchy.own.as_deref());
    let root = v2.and_then(|hierarchy| Cgroup::open(&hierarchy.mount_point).ok());
    let controllers = root.and_then(|root| root.read("cgroup.controllers").ok());
    Layout {
        mount: v2.map(|hierarchy| shown(&hierarchy.mount_point)),
        read_only: v2.is_some_and(|hierarchy| hierarchy.read_only),
        own: own.map(shown),
        controllers: controllers.unwrap_or_default().split_whitespace().map(escaped).collect(),
        memory_controller: match () {
            () if around.memory().is_some() => "v2",
            () if around.memory_v1 => "v1",
            () => "off",
        },
        delegated: own
            .is_some_and(|own| attribute(own, "user.delegate").is_some_and(|value| value == "1")),
    }
}

fn systemd(around: &Surroundings) -> Systemd {
    let socket = |manager: Manager| manager.socket(around.uid).as_deref().map(shown);
    Systemd {
        running: around.systemd,
        version: systemd_version(),
        system_manager: socket(Manager::System),
        user_manager: socket(Manager::User).filter(|_| around.uid != 0),
    }
}

/// By the name of its library, which carries it: asking its programs would start some. Debian keeps it in a folder of the
/// architecture's.
fn systemd_version() -> Option<String> {
    let folders = ["/usr/lib/systemd", "/lib/systemd"].map(std::path::PathBuf::from);
    let of_architecture = entries(Path::new("/usr/lib")).map(|entry| entry.path().join("systemd"));
    let files = folders.into_iter().chain(of_architecture).flat_map(|folder| entries(&folder));
    let mut names = files.filter_map(|entry| entry.file_name().into_string().ok());
    names.find_map(|name| {
        Some(escaped(name.strip_prefix("libsystemd-shared-")?.strip_suffix(".so")?))
    })
}

fn entries(folder: &Path) -> impl Iterator<Item = std::fs::DirEntry> + use<> {
    std::fs::read_dir(folder).into_iter().flatten().flatten()
}

/// As far as it can be told without making a cgroup.
fn huge_pages_counted(around: &Surroundings) -> &'static str {
    match around.memory().or(around.hierarchies.first()) {
        _ if in_memory_current() => "in memory.current (memory_hugetlb_accounting)",
        Some(hierarchy) if hierarchy.has_controller("hugetlb") => {
            "counted where the controller can be enabled for the workload, otherwise only reported"
        }
        Some(_) | None => "no hugetlb controller: reported, but not counted by any limit",
    }
}

fn distribution() -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(escaped(name.trim_matches('"')))
}

fn describe(outer: &OuterLimit) -> String {
    let source = outer.path.as_deref().map_or_else(|| "this machine's memory".to_owned(), shown);
    format!("{} ({source})", outer.bytes)
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

fn escaped(text: &str) -> String {
    escape(text.as_bytes())
}

fn or_none(text: Option<&String>) -> &str {
    text.map_or("none", String::as_str)
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.verdict(f)?;
        writeln!(f, "\nkernel       {}{}", self.kernel, if self.wsl { " (WSL)" } else { "" })?;
        writeln!(f, "system       {}", or_none(self.distribution.as_ref()))?;
        writeln!(f, "container    {}", or_none(self.container.as_ref()))?;
        writeln!(f, "user         {}", if self.root { "root" } else { "not root" })?;
        self.cgroups(f)?;
        writeln!(f, "available    {}", self.outer_limit)?;
        let swap = crate::units::Bytes(self.swap_total);
        writeln!(
            f,
            "swap         {}",
            if self.swap_total == 0 { "none".to_owned() } else { swap.to_string() }
        )?;
        let pool = crate::units::Bytes(self.huge_pages);
        writeln!(f, "huge pages   {pool} set aside; {}", self.huge_pages_counted)?;
        writeln!(f, "not charged  to any cgroup: rings of packet sockets (AF_PACKET), keyrings")?;
        writeln!(
            f,
            "pressure     {}",
            if self.pressure {
                match self.tier {
                    Tier::Kernel | Tier::Observed => "yes",
                    Tier::Hybrid | Tier::Polled => {
                        "of the machine; of a workload alone only in tiers kernel and observed"
                    }
                }
            } else {
                "no /proc/pressure: thrashing cannot be detected (boot with psi=1)"
            }
        )?;
        self.guardian(f)?;
        self.managers(f)?;
        self.in_force(f)?;
        writeln!(
            f,
            "\nways to get a cgroup with the memory controller, the first that works is used:"
        )?;
        self.rows.iter().try_for_each(|row| match &row.why_not {
            None => writeln!(f, "  {:15} yes", row.row),
            Some(why) => writeln!(f, "  {:15} no: {why}", row.row),
        })
    }
}

impl Finding {
    fn verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.placement.map_or_else(String::new, |row| format!(" ({row})"));
        writeln!(f, "tier {}{row}", self.tier.name())?;
        if self.reason.is_empty() {
            return Ok(());
        }
        writeln!(f, "not tier kernel: {}", self.reason)?;
        self.remedy.iter().try_for_each(|line| writeln!(f, "  better: {line}"))?;
        let Some(why) = &self.not_hybrid else { return Ok(()) };
        writeln!(f, "not tier hybrid: {why}")?;
        self.hybrid_remedy.iter().try_for_each(|line| writeln!(f, "  better: {line}"))
    }

    fn cgroups(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layout = &self.cgroup;
        let read_only = if layout.read_only { ", read-only" } else { "" };
        writeln!(f, "cgroup v2    {}{read_only}", or_none(layout.mount.as_ref()))?;
        let delegated = if layout.delegated { ", delegated" } else { "" };
        writeln!(f, "we are in    {}{delegated}", or_none(layout.own.as_ref()))?;
        writeln!(
            f,
            "controllers  {}; memory: {}",
            layout.controllers.join(" "),
            layout.memory_controller
        )
    }

    /// What keeps the guardian able to act when the machine is out of memory.
    fn guardian(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let locked = match self.memory_lock {
            true => "yes",
            false => {
                "no: sentinel may wait for its own pages when the machine is out of memory (raise ulimit -Hl: memlock in \
                 /etc/security/limits.conf, LimitMEMLOCK= of a service; or have CAP_IPC_LOCK)"
            }
        };
        writeln!(f, "memory lock  {locked}")?;
        let taken = match self.oom_score_lowered {
            true => "takes sentinel last",
            false => {
                "may take sentinel like any other process: oom_score_adj cannot be lowered (have CAP_SYS_RESOURCE, or \
                 OOMScoreAdjust=-900 of a service)"
            }
        };
        writeln!(f, "oom killer   {taken}")
    }

    fn in_force(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = match self.kernel_limits {
            true => "memory.high and memory.max by the kernel",
            false => {
                "no memory.high or memory.max: sentinel samples memory and ends the workload with signals"
            }
        };
        writeln!(f, "in force     {held}")?;
        if self.not_in_force.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nnot available here (an error if asked for, a warning with --best-effort):")?;
        self.not_in_force.iter().try_for_each(|it| writeln!(f, "  {:15} {}", it.option, it.why))
    }

    fn managers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let systemd = &self.systemd;
        if !systemd.running {
            return writeln!(f, "systemd      not running here");
        }
        let version = systemd.version.as_deref().unwrap_or("of unknown version");
        let reached = |socket: &Option<String>| or_none(socket.as_ref()).to_owned();
        writeln!(
            f,
            "systemd      {version}; machine's: {}; user's: {}",
            reached(&systemd.system_manager),
            reached(&systemd.user_manager)
        )
    }
}
