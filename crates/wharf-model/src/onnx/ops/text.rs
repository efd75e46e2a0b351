//! Operators that turn sentences into counts of words: what scikit-learn's vectorizers are exported to.

use std::{
    collections::{HashMap, HashSet},
    iter,
};

use crate::{
    error::{ReadError, RunError},
    tensor::{Data, Tensor},
};

use super::{
    super::{
        array::{elements, failed, rows_and_columns, tensor, type_name},
        key::{Key, keys},
        node::{Inputs, Kernel, Node},
    },
    Build,
};

pub(super) const OPERATORS: &[(&str, Build)] =
    &[("StringNormalizer", string_normalizer), ("TfIdfVectorizer", tf_idf)];

pub(super) const MICROSOFT: &[(&str, Build)] = &[("Tokenizer", tokenizer)];

fn texts(tensor: &Tensor) -> Result<&[String], RunError> {
    match tensor.data() {
        Data::Str(texts) => Ok(texts),
        other => failed(format!("it takes str, not {}", type_name(other))),
    }
}

#[derive(Debug, Clone, Copy)]
enum Case {
    Kept,
    Lower,
    Upper,
}

impl Case {
    fn apply(self, text: &str) -> String {
        match self {
            Self::Kept => text.to_owned(),
            Self::Lower => text.chars().map(|own| single(own.to_lowercase(), own)).collect(),
            Self::Upper => text.chars().map(|own| single(own.to_uppercase(), own)).collect(),
        }
    }
}

/// Returns the changed character, or the original where it becomes several: C's `towlower` knows one for one only.
fn single(mut changed: impl Iterator<Item = char>, original: char) -> char {
    match (changed.next(), changed.next()) {
        (Some(changed), None) => changed,
        _ => original,
    }
}

/// Brings words to one case, and leaves out those that say nothing.
#[derive(Debug)]
struct StringNormalizer {
    case: Case,
    /// In lower case, where case does not count.
    left_out: HashSet<String>,
    case_counts: bool,
}

fn string_normalizer(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let case = match node.word("case_change_action", "NONE")? {
        "NONE" => Case::Kept,
        "LOWER" => Case::Lower,
        "UPPER" => Case::Upper,
        other => return Err(node.corrupt(format!("changes case by the unknown {other}"))),
    };
    let case_counts = node.flag("is_case_sensitive", false);
    let left_out = node.texts("stopwords")?;
    let left_out = left_out.into_iter().map(|word| compared(case_counts, word));
    Ok(Box::new(StringNormalizer { case, left_out: left_out.collect(), case_counts }))
}

/// Returns a word as it is compared.
fn compared(case_counts: bool, word: String) -> String {
    if case_counts { word } else { Case::Lower.apply(&word) }
}

impl Kernel for StringNormalizer {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let (rows, _) = rows_and_columns(input.shape())?;
        if rows != 1 {
            return failed(format!("it takes one row of words, not {rows}"));
        }
        let words = texts(input)?.iter();
        let kept = words.filter(|word| {
            self.left_out.is_empty()
                || !self.left_out.contains(&compared(self.case_counts, (*word).clone()))
        });
        let mut made: Vec<String> = kept.map(|word| self.case.apply(word)).collect();
        if made.is_empty() && !input.data().is_empty() {
            // onnxruntime does not leave an array without words.
            made.push(String::new());
        }
        let mut shape = input.shape().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = made.len();
        }
        Ok(vec![tensor(shape, Data::Str(made))?])
    }
}

/// Cuts sentences into words, and fills short ones up to the length of the longest.
#[derive(Debug)]
struct Tokenizer {
    pattern: Pattern,
    fewest_characters: usize,
    filling: String,
}

/// The regular expressions that exporters write; others need a library that is not here.
#[derive(Debug)]
enum Pattern {
    /// `.`: each character, but for the end of a line.
    Character,
    /// `[a-zA-Z0-9_]+`: runs of characters from these ranges.
    Run(Vec<(char, char)>),
}

fn tokenizer(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let expression = node.word("tokenexp", "")?;
    let pattern = Pattern::of(expression);
    let pattern = pattern.filter(|_| !node.flag("mark", false)).ok_or_else(|| {
        node.unsupported(format!("cuts words by `{expression}`, which wharf does not understand"))
    })?;
    Ok(Box::new(Tokenizer {
        pattern,
        fewest_characters: usize::try_from(node.int_or("mincharnum", 1)).unwrap_or(1),
        filling: node.word("pad_value", "")?.to_owned(),
    }))
}

impl Pattern {
    fn of(expression: &str) -> Option<Self> {
        if expression == "." {
            return Some(Self::Character);
        }
        let class = expression.strip_prefix('[')?.strip_suffix("]+")?;
        if class.is_empty() || class.starts_with('^') || class.contains(['[', ']', '\\']) {
            return None;
        }
        let mut ranges = Vec::new();
        let mut rest = class.chars();
        while let Some(first) = rest.next() {
            let mut ahead = rest.clone();
            match (ahead.next(), ahead.next()) {
                (Some('-'), Some(last)) => {
                    ranges.push((first, last));
                    rest = ahead;
                }
                _ => ranges.push((first, first)),
            }
        }
        Some(Self::Run(ranges))
    }

    fn words<'a>(&self, sentence: &'a str) -> Vec<&'a str> {
        match self {
            Self::Character => {
                let ends = sentence.split_inclusive(|_: char| true);
                ends.filter(|character| *character != "\n").collect()
            }
            Self::Run(ranges) => {
                let is_in =
                    |own: char| ranges.iter().any(|(first, last)| (*first..=*last).contains(&own));
                sentence.split(|own| !is_in(own)).filter(|word| !word.is_empty()).collect()
            }
        }
    }
}

impl Kernel for Tokenizer {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let enough = |word: &&str| word.chars().count() >= self.fewest_characters;
        let cut = texts(input)?.iter().map(|sentence| {
            self.pattern.words(sentence).into_iter().filter(enough).collect::<Vec<_>>()
        });
        let sentences: Vec<Vec<&str>> = cut.collect();
        let longest = sentences.iter().map(Vec::len).max().unwrap_or(0);
        let mut shape = input.shape().to_vec();
        shape.push(longest);
        let mut words = Vec::with_capacity(elements(&shape)?);
        for sentence in sentences {
            words.extend(sentence.iter().map(|word| (*word).to_owned()));
            words.extend(iter::repeat_n(self.filling.clone(), longest - sentence.len()));
        }
        Ok(vec![tensor(shape, Data::Str(words))?])
    }
}

/// Counts words, and runs of several words, that are in a list.
#[derive(Debug)]
struct TfIdf {
    /// A number for each word that is in any run.
    words: HashMap<Key, u32>,
    /// What each run of words counts for.
    runs: HashMap<Vec<u32>, Run>,
    width: usize,
    shortest: usize,
    longest: usize,
    /// How many words may lie between two of a run.
    most_skipped: usize,
    mode: Mode,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    column: usize,
    weight: f32,
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    Count,
    /// The weight where the run is there at all.
    Weight,
    WeightedCount,
}

/// No run of words is longer, and no more words are skipped.
const LONGEST_RUN: i64 = 64;

fn tf_idf(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let mode = match node.word("mode", "")? {
        "TF" => Mode::Count,
        "IDF" => Mode::Weight,
        "TFIDF" => Mode::WeightedCount,
        other => return Err(node.corrupt(format!("counts by the unknown {other}"))),
    };
    let small = |name| match node.int_or(name, 0) {
        number @ 0..=LONGEST_RUN => Ok(number as usize),
        number => Err(node.unsupported(format!("has {name} {number}"))),
    };
    let texts = node.texts("pool_strings")?;
    let pool: Vec<Key> = if texts.is_empty() {
        node.ints("pool_int64s").iter().map(|number| Key::Int(*number)).collect()
    } else {
        texts.into_iter().map(Key::Text).collect()
    };
    let mut kernel = TfIdf {
        words: HashMap::new(),
        runs: HashMap::new(),
        width: 0,
        shortest: small("min_gram_length")?.max(1),
        longest: small("max_gram_length")?,
        most_skipped: small("max_skip_count")?,
        mode,
    };
    let weights = node.floats("weights").iter().copied().chain(iter::repeat(1.0));
    let mut runs = node.ints("ngram_indexes").iter().zip(weights);
    kernel
        .learn(&pool, node.ints("ngram_counts"), &mut runs)
        .map_err(|what| node.corrupt(format!("has {what}")))?;
    Ok(Box::new(kernel))
}

impl TfIdf {
    /// Takes in the list: all single words, then all pairs, and so on, each kind from its start on.
    fn learn(
        &mut self,
        pool: &[Key],
        starts: &[i64],
        runs: &mut dyn Iterator<Item = (&i64, f32)>,
    ) -> Result<(), &'static str> {
        let unfit = "runs of words that are not there";
        let ends = starts.iter().skip(1).copied().chain([pool.len() as i64]);
        for (length, (start, end)) in (1..).zip(starts.iter().zip(ends)) {
            let bounds = usize::try_from(*start).ok().zip(usize::try_from(end).ok());
            let words = bounds.and_then(|(start, end)| pool.get(start..end)).ok_or(unfit)?;
            if !words.len().is_multiple_of(length) {
                return Err(unfit);
            }
            for words in words.chunks_exact(length) {
                let run = runs.next().and_then(|(column, weight)| {
                    usize::try_from(*column).ok().map(|column| Run { column, weight })
                });
                self.add(words, run.ok_or("fewer columns than runs of words")?)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, words: &[Key], run: Run) -> Result<(), &'static str> {
        self.width = self.width.max(run.column.saturating_add(1));
        let mut numbers = Vec::with_capacity(words.len());
        for word in words {
            let next = u32::try_from(self.words.len()).map_err(|_| "too many words")?;
            numbers.push(*self.words.entry(word.clone()).or_insert(next));
        }
        let counts = (self.shortest..=self.longest).contains(&words.len());
        if counts && self.runs.insert(numbers, run).is_some() {
            return Err("a run of words twice");
        }
        Ok(())
    }

    /// Counts what begins at each word of a row; unknown words have no number.
    fn count(&self, row: &[Option<u32>], counts: &mut [f32]) {
        let mut shortest = self.shortest;
        let mut run = Vec::with_capacity(self.longest);
        for distance in 1..=self.most_skipped + 1 {
            for start in 0..row.len() {
                run.clear();
                for word in row[start..].iter().step_by(distance).take(self.longest) {
                    let Some(word) = word else { break };
                    run.push(*word);
                    if run.len() >= shortest
                        && let Some(Run { column, weight }) = self.runs.get(&run)
                    {
                        match self.mode {
                            Mode::Count => counts[*column] += 1.0,
                            Mode::Weight => counts[*column] = *weight,
                            Mode::WeightedCount => counts[*column] += weight,
                        }
                    }
                }
            }
            // No words are skipped within a single one.
            shortest = shortest.max(2);
        }
    }
}

impl Kernel for TfIdf {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let (rows, columns) = rows_and_columns(input.shape())?;
        let words: Vec<Option<u32>> =
            keys(input.data())?.iter().map(|word| self.words.get(word).copied()).collect();
        let mut counts = vec![0.0; elements(&[rows, self.width])?];
        for (row, counts) in counts.chunks_exact_mut(self.width.max(1)).enumerate() {
            self.count(&words[row * columns..(row + 1) * columns], counts);
        }
        let shape =
            if input.shape().len() == 1 { vec![self.width] } else { vec![rows, self.width] };
        Ok(vec![tensor(shape, Data::F32(counts))?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_words(expression: &str, sentence: &str, expect: &[&str]) {
        let pattern = Pattern::of(expression).expect("a known pattern");
        assert_eq!(pattern.words(sentence), expect, "{expression}");
    }

    #[test]
    fn words_are_runs_of_the_characters_in_brackets() {
        check_words(
            "[a-zA-Z0-9_]+",
            "it's a_1 naïve  Idea",
            &["it", "s", "a_1", "na", "ve", "Idea"],
        );
        check_words("[a-]+", "a-b-", &["a-", "-"]);
        check_words(".", "né\nx", &["n", "é", "x"]);
    }

    #[test]
    fn other_regular_expressions_are_not_understood() {
        for expression in ["", r"\w+", "[^a]+", "[a-z]", "[a][b]+", r"[\d]+", "(ab)+"] {
            assert!(Pattern::of(expression).is_none(), "{expression}");
        }
    }

    #[test]
    fn one_character_stays_one() {
        assert_eq!(Case::Lower.apply("ÀİΣ"), "àİσ");
        assert_eq!(Case::Upper.apply("ßé"), "ßÉ");
    }
}
