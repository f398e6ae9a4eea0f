//! Whose proportional sets are read when: there is time for some in each look, and what was read at different times does not add up.

use super::tracked::PART;
use super::{ProcessSampler, Tracked, page_kib};
use crate::clock::Clock;
use crate::workload::estimate::{self, NEGLIGIBLE, Shares};
use crate::workload::proc_file;
use crate::workload::proc_stat::Stat;
use crate::workload::shares::{self, LockedFiles, ProcStatus};
use std::io;
use std::time::Duration;

/// Proportional sets are read for so long in one look; the others' turn comes with the next. It is looked at between two
/// processes: the one that is being read takes as long as it takes.
pub const BUDGET: Duration = Duration::from_millis(25);
/// Several passes over what is shared: a newcomer may show that an elder shares.
const PASSES: usize = 3;

impl ProcessSampler {
    /// Proportional sets of those who may have others than were read last.
    pub fn read_shares(&mut self) {
        let company = estimate::has_company(self.rows.iter().map(|row| &row.process));
        self.read_turns(company);
        let settled = !self.rows.iter().any(|row| row.wants(company));
        if company && self.rows.iter().any(|row| row.current) {
            self.confirm();
        }
        self.settle(settled);
    }

    fn read_turns(&mut self, company: bool) {
        let (clock, mut count) = (Clock::start(), 0);
        for _ in 0..PASSES {
            let before = count;
            let had_time = self.pass(company, &clock, &mut count);
            if !had_time || !company || !self.rows.iter().any(|row| row.current) {
                break;
            }
            if count == before && !self.doubt() {
                break;
            }
        }
    }

    /// Reads whose turn it is, at least one, and says whether there was time for all.
    fn pass(&mut self, company: bool, clock: &Clock, count: &mut usize) -> bool {
        let (turn, rows) = (self.turn, self.rows.len());
        for index in (0..rows).map(|step| (turn + step) % rows) {
            if !self.rows[index].wants(company) {
                continue;
            }
            if *count > 0 && clock.now().0 > self.budget {
                self.turn = index;
                return false;
            }
            self.read_shares_of(index);
            *count += 1;
        }
        true
    }

    /// Shares that were read at different times, while more came to have the same pages, add up to a multiple of what there is: the first
    /// had all of it, the second a half, the third a third. Until they are all of one time, what each has alone counts, and once what is
    /// shared.
    fn settle(&mut self, settled: bool) {
        for row in &mut self.rows {
            let process = &mut row.process;
            (process.unsettled, process.stale) = (!settled, row.stale);
            process.newcomer &= !settled;
            if settled {
                process.settled_shmem = process.own().shmem;
                process.settled_locked = process.locked_file;
            }
        }
    }

    /// Reads those again that contradict each other: what somebody has together with others is no more than their parts of it are all
    /// together. Else a mapping changed hands between two readings, and it would count twice; or outsiders have it too, once that was found
    /// to stay so.
    fn doubt(&mut self) -> bool {
        let read = |row: &&Tracked| row.process.host == 0 && row.process.shares == Shares::Read;
        let (mut most, mut parts) = (0, 0);
        for Tracked { process, .. } in self.rows.iter().filter(read) {
            most = process.memory.shmem.saturating_sub(process.private.shmem).max(most);
            parts += process.own().shmem.saturating_sub(process.private.shmem);
        }
        let excess = most.saturating_sub(parts);
        let found = excess > self.outside + (most / PART).max(NEGLIGIBLE);
        self.outside = excess;
        for row in &mut self.rows {
            row.stale |= found && row.process.memory.shmem > NEGLIGIBLE;
        }
        found
    }

    /// /proc/PID/smaps_rollup.
    fn read_shares_of(&mut self, index: usize) {
        let row = &mut self.rows[index];
        (row.current, row.stale) = (true, false);
        let text =
            match proc_file::attempt(row.process.stat.reader, "smaps_rollup", &mut self.text[..]) {
                Ok(text) => text,
                Err(error) if proc_file::is_gone(&error) => return,
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    row.process.shares = Shares::Denied;
                    row.process.locked_file = unread_locks(row);
                    return;
                }
                Err(error) => {
                    (row.current, row.stale) = (true, true);
                    return self.note(error);
                }
            };
        let Some(rollup) = shares::rollup(text) else {
            // Without text the process has no memory any more.
            let old_kernel = !text.is_empty();
            row.process.shares = if old_kernel { Shares::Denied } else { row.process.shares };
            return;
        };
        let earlier = row.process.memory;
        if !self.read_status(index) {
            return;
        }
        let row = &mut self.rows[index];
        // Of the same moment as its share: a mapping that others have too may come or go meanwhile. Where files do, only `status` tells which.
        if row.process.memory.file.abs_diff(earlier.file) <= NEGLIGIBLE {
            row.process.memory.shmem = rollup.shmem(earlier.file);
        }
        let memory = row.process.memory;
        let (before, locked_before) = (row.process.twice, row.process.locked_file);
        row.process.twice = memory.less(&rollup.share);
        // Of the same moment, so that what it took since `status` is not held for shared, nor counted again.
        row.process.twice.anon = rollup.anon.saturating_sub(rollup.share.anon);
        row.process.twice.tables = 0;
        row.process.private = rollup.least_private(memory.shmem);
        row.process.newcomer |= row.process.shares == Shares::Unread;
        row.process.shares = Shares::Read;
        row.faults = row.process.stat.faults;
        row.at = ProcStatus { memory, code: row.process.code, locked: row.locked };
        // The others' parts changed as much.
        let (room, now) = ((memory.kept() / PART).max(NEGLIGIBLE), row.process.twice);
        if now.kept().abs_diff(before.kept()) > room {
            self.disturb_by(index, if now.kept() > before.kept() { now } else { before });
        }
        self.read_locked(index, rollup.locked_file());
        let locked = self.rows[index].process.locked_file;
        if locked.abs_diff(locked_before) > (locked / PART).max(NEGLIGIBLE) {
            self.disturb_locked(index);
        }
    }

    /// Locked pages of files: reclaim does not get them. Where the sum over all mappings leaves open whether it is they that are
    /// locked, or memory that is counted already, the mappings are read one by one.
    fn read_locked(&mut self, index: usize, (least, most): (u64, u64)) {
        let row = &mut self.rows[index];
        row.process.locked_file = if row.locked == 0 { 0 } else { least };
        if row.locked == 0 || most - least <= row.process.memory.kept() / PART {
            return;
        }
        let (pid, mut found) = (row.process.stat.reader, LockedFiles::default());
        match proc_file::each_line(pid, "smaps", &mut self.text[..], |line| found.line(line)) {
            Ok(()) => self.rows[index].process.locked_file = found.sum.clamp(least, most),
            Err(error) => self.note(error),
        }
    }

    /// Whoever shares pages and goes, or hands a mapping on, while the others are being read leaves them with more each: read one after
    /// the other, they would add up to a multiple of what there is. Those who went, or are another program by now, count no more: of who
    /// calls execve(2) in between, the memory is that of before and the shares are those of after, which makes all of it its own.
    fn confirm(&mut self) {
        for index in 0..self.rows.len() {
            let Tracked { process, current, .. } = self.rows[index];
            if !current && process.own().shmem + process.locked_file <= NEGLIGIBLE {
                continue;
            }
            let row = &mut self.rows[index];
            match Stat::of(process.pid, &mut self.text[..]) {
                Ok(Some(stat)) if stat.living && stat.is_same_program(&process.stat) => {
                    row.give_back(stat.resident * page_kib());
                }
                Ok(_) => row.seen = false,
                Err(error) => self.note(error),
            }
        }
        self.rows.iter_mut().for_each(|row| row.current = false);
        self.forget();
    }
}

/// Of one whose mappings are not for us to read: what must be pages of files, since the rest has no room for it.
fn unread_locks(row: &Tracked) -> u64 {
    let memory = row.process.memory;
    row.locked.saturating_sub(memory.anon + memory.shmem).min(memory.file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;
    use crate::workload::shares::Private;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Child, ChildStdout, Command, Stdio};

    /// A family of `MEMBERS`: the first has memory that it hands on, and a mapping that all have; the others come, and touch the
    /// mapping, when they are told to.
    struct Family {
        first: Child,
        answers: BufReader<ChildStdout>,
    }

    const MEMBERS: u64 = 10;
    const INHERITED: Bytes = Bytes(16 << 20);
    const MAPPED: Bytes = Bytes(32 << 20);

    const FAMILY: &str = "
import mmap, os, sys
inherited = b'x' * (16 << 20)
mapped = mmap.mmap(-1, 32 << 20)
others = []
def touch(memory):
    for at in range(0, 32 << 20, 4096): memory[at] = 1
for line in iter(sys.stdin.readline, ''):
    if line == 'fork\\n':
        (ours, go), (done, theirs) = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(go)
            while os.read(ours, 1):
                touch(mapped)
                os.write(theirs, b'.')
            os._exit(0)
        others.append((go, done))
    else:
        go, done = others[int(line)]
        os.write(go, b'.')
        os.read(done, 1)
        pid = os.getpid()
    print(pid, flush=True)
";

    /// Maps a file, or unmaps it, as it is told.
    const HOLDER: &str = "
import mmap, os, sys
file = os.memfd_create('x')
os.truncate(file, 32 << 20)
for line in iter(sys.stdin.readline, ''):
    if line == 'map\\n':
        memory = mmap.mmap(file, 32 << 20)
        memory.find(b'x')
    elif line == 'unmap\\n':
        memory.close()
    elif line != 'who\\n':
        file = os.open(line.strip(), os.O_RDWR)
    print(os.getpid(), file, flush=True)
";

    impl Family {
        fn new(script: &str) -> Family {
            let mut command = Command::new("python3");
            command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut first = command.spawn().unwrap();
            let answers = BufReader::new(first.stdout.take().unwrap());
            Family { first, answers }
        }

        fn answer(&mut self, what: &str) -> String {
            writeln!(self.first.stdin.as_mut().unwrap(), "{what}").unwrap();
            let mut line = String::new();
            self.answers.read_line(&mut line).unwrap();
            line.trim().to_owned()
        }

        fn ask(&mut self, what: &str) -> i32 {
            self.answer(what).parse().unwrap()
        }
    }

    impl Drop for Family {
        fn drop(&mut self) {
            self.first.stdin = None;
            self.first.wait().unwrap();
        }
    }

    /// Whatever there is time to read in a look: one at a time, each sees a family of another size.
    #[test]
    fn a_family_that_grows_while_it_is_read_is_never_a_multiple() {
        for budget in [Duration::ZERO, Duration::from_millis(2), Duration::from_secs(60)] {
            let mut family = Family::new(FAMILY);
            let mut sampler = ProcessSampler { budget, ..ProcessSampler::new() };
            let first = i32::try_from(family.first.id()).unwrap();
            let mut pids = vec![first, family.ask("fork")];
            // An interpreter's own.
            let (few, each) = (Bytes(6 << 20), Bytes(2 << 20));
            for _ in 0..MEMBERS {
                let all = Bytes(INHERITED.0 + few.0 + each.0 * MEMBERS);
                let found = sampler.sample(&pids);
                assert!(found.anon >= INHERITED && found.anon <= all, "{budget:?} {found:?}");
                pids.push(family.ask("fork"));
            }
            for member in 0..MEMBERS {
                family.ask(&member.to_string());
                let found = sampler.sample(&pids);
                let off = found.shmem.0.abs_diff(MAPPED.0);
                assert!(off <= MAPPED.0 / 20, "{budget:?} {member} {found:?}");
            }
            let looks = (1..100).find(|_| {
                sampler.sample(&pids);
                sampler.rows.iter().all(|row| !row.process.unsettled)
            });
            assert!(looks.is_some(), "it never rests");
            let found = sampler.sample(&pids);
            assert!(found.shmem.0.abs_diff(MAPPED.0) <= MAPPED.0 / 20, "{budget:?} {found:?}");
        }
    }

    /// Two processes with one file, of whom each maps it or does not.
    struct Holders {
        all: [Family; 2],
        map: [bool; 2],
    }

    impl Holders {
        fn new() -> Holders {
            let mut all = [Family::new(HOLDER), Family::new(HOLDER)];
            let path = all[0].answer("who").replace(' ', "/fd/");
            all[1].answer(&format!("/proc/{path}"));
            Holders { all, map: [false; 2] }
        }

        fn pids(&mut self) -> [i32; 2] {
            let pid = |family: &Family| i32::try_from(family.first.id()).unwrap();
            self.all.each_ref().map(pid)
        }

        fn set(&mut self, map: [bool; 2]) {
            for (index, holder) in self.all.iter_mut().enumerate() {
                if map[index] != self.map[index] {
                    holder.answer(if map[index] { "map" } else { "unmap" });
                }
            }
            self.map = map;
        }
    }

    /// In one look each is read at two moments, and the two at different ones; in between it changes hands, back and forth.
    #[test]
    fn a_mapping_that_changes_hands_while_it_is_read_counts_once() {
        const HOLDS: [[bool; 2]; 3] = [[true, false], [true, true], [false, true]];
        let mut holders = Holders::new();
        let pids = holders.pids();
        for case in 0..81 {
            let [before, statuses, first, second] = [1, 3, 9, 27].map(|it| HOLDS[case / it % 3]);
            let mut sampler = ProcessSampler::new();
            holders.set(before);
            sampler.sample(&pids);
            holders.set(statuses);
            sampler.meet(&pids);
            sampler.observe(0);
            sampler.observe(1);
            holders.set(first);
            sampler.read_shares_of(0);
            holders.set(second);
            sampler.read_shares();
            let found = sampler.sum().shmem;
            let moments = [before, statuses, first, second];
            // What it let go and took again since its status was read looks like another's.
            let again = before[1] && !first[1] && second[1];
            let most = if again { MAPPED.0 * 2 } else { MAPPED.0 / 20 * 21 };
            assert!(found.0 <= most, "{moments:?}: {found:?}");
            let found = sampler.sample(&pids).shmem;
            assert!(found.0.abs_diff(MAPPED.0) <= MAPPED.0 / 20, "{moments:?}, then: {found:?}");
        }
    }

    #[test]
    fn who_contradict_each_other_are_read_again_once() {
        let mut sampler = ProcessSampler::new();
        let alone = Private { shmem: 8000, anon: 0 };
        for (pid, twice, private) in [(1, 4000, Private::default()), (2, 0, alone)] {
            let mut row = Tracked { fresh: false, ..Tracked::new(pid) };
            (row.process.shares, row.process.private) = (Shares::Read, private);
            (row.process.memory.shmem, row.process.twice.shmem) = (8000, twice);
            sampler.rows.push(row);
        }
        assert!(sampler.doubt() && sampler.rows.iter().all(|row| row.stale));
        assert!(!sampler.doubt(), "an outsider has it");
        sampler.rows[1].process.twice.shmem = 4000;
        sampler.rows[1].process.private.shmem = 0;
        assert!(!sampler.doubt());
        assert_eq!(sampler.outside, 0);
    }
}
