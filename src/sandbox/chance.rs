//! Chance that is the same on every machine.
//!
//! Every value has a seed of its own, made from names and numbers by FNV-1a (the hash of the standard library is free
//! to change), so that a new column or a new resource leaves all other values as they were. Only 64-bit draws are used:
//! the width of a machine word must not show.

use fastrand::Rng;

/// What a seed is made from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'a> {
    Text(&'a str),
    Number(u64),
}

/// A source of numbers with a seed of its own.
#[derive(Debug)]
pub(super) struct Chance(Rng);

impl Chance {
    pub(super) fn new(parts: &[Part<'_>]) -> Self {
        Self(Rng::with_seed(stable_hash(parts)))
    }

    /// A number in `0..limit`; 0 when there is no such number.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.0.u64(0..limit) }
    }

    /// A number in `from..=to`, in either order.
    pub(super) fn within(&mut self, from: i64, to: i64) -> i64 {
        self.0.i64(from.min(to)..=from.max(to))
    }

    /// A number in `0.0..1.0`.
    pub(super) fn fraction(&mut self) -> f64 {
        self.0.f64()
    }

    /// True with a probability.
    pub(super) fn hit(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T], otherwise: &'a T) -> &'a T {
        let index = self.index(choices.len());
        choices.get(index).copied().unwrap_or(otherwise)
    }

    /// An index, each as likely as its weight says; a missing weight is 1.
    pub(super) fn weighted(&mut self, length: usize, weights: &[f64]) -> usize {
        let weight = |index: usize| weights.get(index).copied().unwrap_or(1.0).max(0.0);
        let total: f64 = (0..length).map(weight).sum();
        let mut left = self.fraction() * total;
        for index in 0..length {
            left -= weight(index);
            if left < 0.0 {
                return index;
            }
        }
        length.saturating_sub(1)
    }

    pub(super) fn hex(&mut self, length: usize) -> String {
        (0..length).filter_map(|_| char::from_digit(self.0.u32(0..16), 16)).collect()
    }

    /// Decimal digits, the first of them not zero.
    pub(super) fn digits(&mut self, length: usize) -> String {
        (0..length).filter_map(|at| char::from_digit(self.0.u32(u32::from(at == 0)..10), 10)).collect()
    }

    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.0.u8(..)).collect()
    }

    /// Shuffled indices of the first `length` numbers.
    pub(super) fn order(&mut self, length: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..length).collect();
        for at in (1..length).rev() {
            let other = self.index(at + 1);
            order.swap(at, other);
        }
        order
    }
}

/// FNV-1a over the parts, each with its kind and length, then mixed so that neighbours lie far apart.
pub(super) fn stable_hash(parts: &[Part<'_>]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut feed = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for part in parts {
        match part {
            Part::Text(text) => {
                feed(&[1]);
                feed(&(text.len() as u64).to_le_bytes());
                feed(text.as_bytes());
            }
            Part::Number(number) => {
                feed(&[2]);
                feed(&number.to_le_bytes());
            }
        }
    }
    // The finaliser of SplitMix64.
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_parts_give_the_same_numbers_and_they_are_pinned() {
        let parts = [Part::Text("linode"), Part::Number(7)];
        assert_eq!(stable_hash(&parts), stable_hash(&parts));
        assert_ne!(stable_hash(&parts), stable_hash(&[Part::Text("linode"), Part::Number(8)]));
        assert_ne!(
            stable_hash(&[Part::Text("ab"), Part::Text("c")]),
            stable_hash(&[Part::Text("a"), Part::Text("bc")])
        );
        // Pinned: another value here means that every sandbox in the world changed its rows.
        assert_eq!(Chance::new(&parts).hex(16), "52d176c21a229d02");
    }

    #[test]
    fn weights_are_kept() {
        let mut chance = Chance::new(&[Part::Number(1)]);
        let mut counts = [0_u32; 3];
        for _ in 0..3000 {
            counts[chance.weighted(3, &[8.0, 2.0, 0.0])] += 1;
        }
        assert_eq!(counts[2], 0);
        assert!((2200..2600).contains(&counts[0]), "{counts:?}");
        assert_eq!(chance.weighted(0, &[]), 0);
    }

    #[test]
    fn digits_do_not_begin_with_zero() {
        let mut chance = Chance::new(&[Part::Number(2)]);
        assert!((0..500).all(|_| !chance.digits(3).starts_with('0')));
    }

    #[test]
    fn an_order_holds_every_index_once() {
        let mut order = Chance::new(&[Part::Number(3)]).order(20);
        assert_ne!(order, (0..20).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..20).collect::<Vec<_>>());
    }
}
