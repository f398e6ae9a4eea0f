//! Fair shares of a bounded place: whoever has little gets all of it, and nobody with much keeps the others out. Pure.

use std::collections::BTreeMap;

/// How much of `most` each gets, given what each has. Those in `first` have three quarters before the rest, and what the rest
/// leaves.
pub fn shares(wanted: &[(u32, usize)], first: &[u32], most: usize) -> BTreeMap<u32, usize> {
    let (ours, others): (Vec<_>, Vec<_>) =
        wanted.iter().copied().partition(|(who, _)| first.contains(who));
    let before = fill(&ours, most / 4 * 3);
    let used: usize = before.values().sum();
    let rest = fill(&others, most.saturating_sub(used));
    let left: usize = most.saturating_sub(rest.values().sum());
    fill(&ours, left).into_iter().chain(rest).collect()
}

/// Each the same, and what somebody does not need the others.
fn fill(wanted: &[(u32, usize)], mut room: usize) -> BTreeMap<u32, usize> {
    let mut by_need = wanted.to_vec();
    by_need.sort_by_key(|(who, size)| (*size, *who));
    let mut shares = BTreeMap::new();
    for (n, (who, size)) in by_need.iter().enumerate() {
        let even = room.div_ceil(by_need.len() - n);
        let share = even.min(*size).min(room);
        room -= share;
        shares.insert(*who, share);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn who_has_little_gets_it_all() {
        let shares = shares(&[(0, 3), (7, 300), (8, 2), (9, 300)], &[0], 100);
        assert_eq!(shares.into_iter().collect::<Vec<_>>(), [(0, 3), (7, 48), (8, 2), (9, 47)]);
    }

    #[test]
    fn the_first_keep_the_most_and_not_everything() {
        let many: Vec<(u32, usize)> = (0..100).map(|who| (who, 500)).collect();
        let shares = shares(&many, &[0], 100);
        assert_eq!((shares[&0], shares.values().sum::<usize>()), (75, 100));
        assert_eq!(super::shares(&[(0, 500)], &[0], 100)[&0], 100);
        assert_eq!(super::shares(&[(0, 500), (1, 5)], &[0], 100)[&0], 95);
    }

    proptest! {
        #[test]
        fn nothing_is_wasted_and_nobody_gets_more_than_it_has(
            sizes in prop::collection::btree_map(0u32..50, 0usize..400, 0..40), most in 0usize..600
        ) {
            let wanted: Vec<_> = sizes.iter().map(|(who, size)| (*who, *size)).collect();
            let shares = shares(&wanted, &[0, 1], most);
            let all: usize = sizes.values().sum();
            prop_assert_eq!(shares.values().sum::<usize>(), all.min(most));
            prop_assert!(sizes.iter().all(|(who, size)| shares[who] <= *size));
        }
    }
}
