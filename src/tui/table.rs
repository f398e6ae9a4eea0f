//! The process table as its user wants it: order, tree, filter, the chosen row. No drawing, no I/O.

use super::measure::Measures;
use crate::status::ProcessRow;
use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;

/// Longest filter.
const MAX_FILTER: usize = 40;

/// What processes are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Largest resident set first.
    #[default]
    Rss,
    /// Fastest growth first.
    Growth,
    /// Most CPU first.
    Cpu,
    /// Largest proportional set first; those not measured last.
    Pss,
    /// Lowest id first.
    Pid,
    /// By name.
    Name,
}

impl Sort {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Sort::Rss => "rss",
            Sort::Growth => "growth",
            Sort::Cpu => "cpu",
            Sort::Pss => "pss",
            Sort::Pid => "pid",
            Sort::Name => "name",
        }
    }

    fn previous(self) -> Sort {
        (0..5).fold(self, |sort, _| sort.next())
    }

    fn next(self) -> Sort {
        match self {
            Sort::Rss => Sort::Growth,
            Sort::Growth => Sort::Cpu,
            Sort::Cpu => Sort::Pss,
            Sort::Pss => Sort::Pid,
            Sort::Pid => Sort::Name,
            Sort::Name => Sort::Rss,
        }
    }
}

/// A row that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its place in the table that the guardian sent.
    pub index: usize,
    /// What stands before its name in the tree.
    pub branch: String,
    /// True for an ancestor of what the filter asks for.
    pub aside: bool,
}

/// Its state.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The order.
    pub sort: Sort,
    /// The other way round.
    pub reversed: bool,
    /// Children below their parents.
    pub tree: bool,
    /// Only rows with this in name, command or id; any case.
    pub filter: String,
    /// The chosen process, and where it was last.
    chosen: Option<(u32, usize)>,
}

impl Table {
    /// The rows to show, in order.
    pub fn shown(&self, rows: &[ProcessRow], measures: &Measures) -> Vec<Shown> {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|a, b| self.compare(&rows[*a], &rows[*b], measures));
        let wanted = self.filter.to_lowercase();
        let matches = |index: usize| matches(&rows[index], &wanted);
        if self.tree {
            return Tree::new(rows, &order, &matches).walk();
        }
        let shown = order.into_iter().filter(|index| matches(*index));
        shown.map(|index| Shown { index, branch: String::new(), aside: false }).collect()
    }

    fn compare(&self, a: &ProcessRow, b: &ProcessRow, measures: &Measures) -> Ordering {
        let by = match self.sort {
            Sort::Rss => b.rss.cmp(&a.rss),
            Sort::Growth => b.growth.cmp(&a.growth),
            Sort::Cpu => b.cpu_permille.cmp(&a.cpu_permille),
            Sort::Pss => measures.pss(b.pid).cmp(&measures.pss(a.pid)),
            Sort::Pid => Ordering::Equal,
            Sort::Name => a.name.cmp(&b.name),
        };
        let size = Reverse(a.rss).cmp(&Reverse(b.rss));
        let size = if self.sort == Sort::Pid { Ordering::Equal } else { size };
        let order = by.then(size).then(a.pid.cmp(&b.pid));
        if self.reversed { order.reverse() } else { order }
    }

    /// The chosen process.
    pub fn chosen(&self) -> Option<u32> {
        self.chosen.map(|(pid, _)| pid)
    }

    /// The place of the chosen process among those shown.
    pub fn place(&self, rows: &[ProcessRow], shown: &[Shown]) -> Option<usize> {
        let pid = self.chosen()?;
        shown.iter().position(|row| rows[row.index].pid == pid)
    }

    /// Moves the choice by so many rows; the first move chooses the first row.
    pub fn choose(&mut self, by: isize, rows: &[ProcessRow], measures: &Measures) {
        let shown = self.shown(rows, measures);
        let at = match self.place(rows, &shown) {
            Some(place) => place.saturating_add_signed(by),
            None => 0,
        };
        self.take(at, rows, &shown);
    }

    /// Chooses that row of those shown.
    pub fn pick(&mut self, place: usize, rows: &[ProcessRow], measures: &Measures) {
        let shown = self.shown(rows, measures);
        self.take(place, rows, &shown);
    }

    /// Nothing is chosen.
    pub fn let_go(&mut self) {
        self.chosen = None;
    }

    /// Keeps the choice where it was when its process is gone or filtered out.
    pub fn settle(&mut self, rows: &[ProcessRow], measures: &Measures) {
        let Some((pid, before)) = self.chosen else { return };
        let shown = self.shown(rows, measures);
        match self.place(rows, &shown) {
            Some(place) => self.chosen = Some((pid, place)),
            None => self.take(before, rows, &shown),
        }
    }

    fn take(&mut self, at: usize, rows: &[ProcessRow], shown: &[Shown]) {
        let at = at.min(shown.len().saturating_sub(1));
        self.chosen = shown.get(at).map(|row| (rows[row.index].pid, at));
    }

    /// The next order.
    pub fn next_sort(&mut self) {
        self.sort = self.sort.next();
    }

    /// The order before.
    pub fn previous_sort(&mut self) {
        self.sort = self.sort.previous();
    }

    /// Adds to the filter what can be in a name.
    pub fn type_in(&mut self, c: char) {
        if !c.is_control() && self.filter.len() + c.len_utf8() <= MAX_FILTER {
            self.filter.push(c);
        }
    }
}

fn matches(row: &ProcessRow, wanted: &str) -> bool {
    wanted.is_empty()
        || row.name.to_lowercase().contains(wanted)
        || row.command.to_lowercase().contains(wanted)
        || row.pid.to_string().contains(wanted)
}

/// Rows by parent, each list in the table's order.
struct Tree {
    children: HashMap<u32, Vec<usize>>,
    roots: Vec<usize>,
    pids: Vec<u32>,
    matching: Vec<bool>,
    done: Vec<bool>,
    out: Vec<Shown>,
}

impl Tree {
    fn new(rows: &[ProcessRow], order: &[usize], matches: &dyn Fn(usize) -> bool) -> Tree {
        let by_pid: HashMap<u32, usize> =
            rows.iter().enumerate().map(|(index, row)| (row.pid, index)).collect();
        let matching: Vec<bool> = (0..rows.len()).map(matches).collect();
        let mut kept = matching.clone();
        for index in (0..rows.len()).filter(|index| matching[*index]) {
            let mut at = index;
            let parent = |at: usize| by_pid.get(&rows[at].ppid).copied();
            // Up to the root, or to what is kept already: a ring of parents ends there too.
            while let Some(above) = parent(at).filter(|above| !kept[*above]) {
                kept[above] = true;
                at = above;
            }
        }
        let mut tree = Tree {
            children: HashMap::new(),
            roots: Vec::new(),
            pids: rows.iter().map(|row| row.pid).collect(),
            matching,
            done: vec![false; rows.len()],
            out: Vec::new(),
        };
        for index in order.iter().copied().filter(|index| kept[*index]) {
            let row = &rows[index];
            if row.ppid != row.pid && by_pid.contains_key(&row.ppid) {
                tree.children.entry(row.ppid).or_default().push(index);
            } else {
                tree.roots.push(index);
            }
        }
        tree
    }

    fn walk(mut self) -> Vec<Shown> {
        let roots = std::mem::take(&mut self.roots);
        for root in roots {
            self.add(root, "", "");
        }
        // Whoever is their own ancestor has no root: such a table is wrong, and is shown all the same.
        let mut left: Vec<usize> = self.children.values().flatten().copied().collect();
        left.sort_unstable();
        for index in left {
            self.add(index, "", "");
        }
        self.out
    }

    /// Without recursion: a chain of processes may be long.
    fn add(&mut self, root: usize, branch: &str, indent: &str) {
        let mut stack = vec![(root, branch.to_owned(), indent.to_owned())];
        while let Some((index, branch, indent)) = stack.pop() {
            if std::mem::replace(&mut self.done[index], true) {
                continue;
            }
            self.out.push(Shown { index, branch, aside: !self.matching[index] });
            let children = self.children.get(&self.pids[index]).map_or(&[][..], Vec::as_slice);
            for (n, child) in children.iter().enumerate().rev() {
                let last = n + 1 == children.len();
                let (mark, below) = if last { ("└ ", "  ") } else { ("├ ", "│ ") };
                stack.push((*child, format!("{indent}{mark}"), format!("{indent}{below}")));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;
    use proptest::prelude::*;

    fn row(pid: u32, ppid: u32, name: &str, rss: u64) -> ProcessRow {
        ProcessRow {
            pid,
            ppid,
            name: name.to_owned(),
            state: 'R',
            rss: Bytes(rss),
            share_permille: 0,
            command: format!("/bin/{name}"),
            growth: Some(i64::from(pid)),
            cpu_permille: Some(100 - pid),
        }
    }

    fn rows() -> Vec<ProcessRow> {
        vec![
            row(3, 1, "make", 5),
            row(4, 3, "cc", 70),
            row(5, 4, "as", 9),
            row(6, 3, "Ld", 40),
            row(9, 77, "stray", 1),
        ]
    }

    fn pids(table: &Table) -> Vec<u32> {
        let rows = rows();
        table.shown(&rows, &Measures::default()).iter().map(|row| rows[row.index].pid).collect()
    }

    #[test]
    fn each_order_is_what_its_name_says() {
        for (sort, expected) in [
            (Sort::Rss, [4, 6, 5, 3, 9]),
            (Sort::Growth, [9, 6, 5, 4, 3]),
            (Sort::Cpu, [3, 4, 5, 6, 9]),
            (Sort::Pid, [3, 4, 5, 6, 9]),
            (Sort::Name, [6, 5, 4, 3, 9]),
        ] {
            assert_eq!(pids(&Table { sort, ..Table::default() }), expected, "{sort:?}");
        }
    }

    #[test]
    fn a_tree_has_children_below_parents() {
        let table = Table { tree: true, ..Table::default() };
        let rows = rows();
        let shown = table.shown(&rows, &Measures::default());
        let lines: Vec<String> =
            shown.iter().map(|row| format!("{}{}", row.branch, rows[row.index].name)).collect();
        assert_eq!(lines, ["make", "├ cc", "│ └ as", "└ Ld", "stray"]);
    }

    #[test]
    fn a_filter_keeps_what_matches_and_in_a_tree_the_way_there() {
        let mut table = Table { filter: "LD".into(), ..Table::default() };
        assert_eq!(pids(&table), [6]);
        table.tree = true;
        assert_eq!(pids(&table), [3, 6]);
        table.filter = "nothing".into();
        assert!(pids(&table).is_empty());
    }

    #[test]
    fn the_choice_stays_with_its_process_and_near_one_that_is_gone() {
        let (rows, measures) = (rows(), Measures::default());
        let mut table = Table::default();
        table.choose(-1, &rows, &measures);
        assert_eq!(table.chosen(), Some(4));
        table.choose(2, &rows, &measures);
        assert_eq!(table.chosen(), Some(5));
        table.next_sort();
        assert_eq!(table.chosen(), Some(5));
        let without: Vec<_> = rows.iter().filter(|row| row.pid != 5).cloned().collect();
        table.settle(&without, &measures);
        assert_eq!(table.chosen(), Some(4));
        table.settle(&[], &measures);
        assert_eq!(table.chosen(), None);
    }

    proptest! {
        #[test]
        fn any_table_is_shown_whole_in_either_form(
            links in prop::collection::vec((0u32..12, 0u32..12), 0..20),
            tree: bool,
        ) {
            let mut rows: Vec<_> = links.iter().map(|(pid, ppid)| row(*pid, *ppid, "x", 1)).collect();
            rows.sort_by_key(|row| row.pid);
            rows.dedup_by_key(|row| row.pid);
            let table = Table { tree, ..Table::default() };
            let mut seen: Vec<_> =
                table.shown(&rows, &Measures::default()).iter().map(|row| row.index).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..rows.len()).collect::<Vec<_>>());
        }
    }
}
