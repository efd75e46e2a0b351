//! Sets of categories, as sparse bits.

use std::ops::Range;

/// The sets of all nodes of a forest.
///
/// A set is a run of words, sorted, and only words with a bit in them are kept: a set that holds nothing but
/// category 16,000,000 takes eight bytes, not two megabytes.
#[derive(Debug, Default)]
pub(super) struct CategorySets {
    words: Vec<Word>,
    sets: Vec<Range<u32>>,
}

/// Thirty-two categories: `32·number` and those after it.
#[derive(Debug, Clone, Copy)]
struct Word {
    number: u32,
    bits: u32,
}

impl CategorySets {
    /// Adds a set of categories, in any order, and returns its index.
    pub(super) fn add_categories(&mut self, categories: &[u32]) -> u32 {
        let mut sorted = categories.to_vec();
        sorted.sort_unstable();
        let start = self.words.len();
        for category in sorted {
            let (number, bit) = (category / 32, 1 << (category % 32));
            match self.words[start..].last_mut() {
                Some(word) if word.number == number => word.bits |= bit,
                _ => self.words.push(Word { number, bits: bit }),
            }
        }
        self.close(start)
    }

    /// Adds a set given as a field of bits, lowest category first, and returns its index.
    pub(super) fn add_bits(&mut self, field: &[u32]) -> u32 {
        let start = self.words.len();
        let numbered = (0..).zip(field).filter(|(_, bits)| **bits != 0);
        self.words.extend(numbered.map(|(number, bits)| Word { number, bits: *bits }));
        self.close(start)
    }

    /// Says whether a set holds a category.
    pub(super) fn contains(&self, set: u32, category: u32) -> bool {
        let Range { start, end } = self.sets[set as usize];
        let words = &self.words[start as usize..end as usize];
        match words.binary_search_by_key(&(category / 32), |word| word.number) {
            Ok(at) => words[at].bits >> (category % 32) & 1 == 1,
            Err(_) => false,
        }
    }

    fn close(&mut self, start: usize) -> u32 {
        let at =
            |count: usize| u32::try_from(count).expect("a word takes more than one byte of a file");
        self.sets.push(at(start)..at(self.words.len()));
        at(self.sets.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        let mut sets = CategorySets::default();
        let first = sets.add_categories(&[70, 0, 31, 32, 16_000_000, 31]);
        let second = sets.add_bits(&[0b10, 0, 1 << 31]);
        let held = |set| -> Vec<u32> {
            (0..200).chain([15_999_999, 16_000_000]).filter(|c| sets.contains(set, *c)).collect()
        };
        assert_eq!(held(first), [0, 31, 32, 70, 16_000_000]);
        assert_eq!(held(second), [1, 95]);
    }

    #[test]
    fn an_empty_set_holds_nothing() {
        let mut sets = CategorySets::default();
        let empty = sets.add_categories(&[]);
        assert!(!sets.contains(empty, 0));
    }
}
