//! The categories of a data frame that a model was trained with.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};

use crate::error::ReadError;

/// Refuses a model whose inputs are names of categories: LightGBM's Python package turns them into their position
/// in a list at the end of the file. Where each category is its own position, there is nothing to turn.
pub(super) fn refuse_named_categories(rest: &str) -> Result<(), ReadError> {
    let mut lines = rest.lines().filter_map(|line| line.strip_prefix("pandas_categorical:"));
    let Some(list) = lines.next_back() else { return Ok(()) };
    let columns: Option<Vec<Column>> = serde_json::from_str(list).map_err(|error| {
        ReadError::corrupt(format!("`pandas_categorical` cannot be read: {error}"))
    })?;
    if columns.iter().flatten().all(|column| column.holds_positions) {
        return Ok(());
    }
    Err(ReadError::Unsupported {
        what:
            "the model was trained with categories of a data frame, which wharf cannot encode yet"
                .to_owned(),
        hint: Some("train with the categories' numbers (`.cat.codes`) as columns".to_owned()),
    })
}

/// The categories of a column; they themselves are not kept.
struct Column {
    /// They are 0, 1, 2 and so on.
    holds_positions: bool,
}

impl<'de> Deserialize<'de> for Column {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ColumnVisitor;

        impl<'de> Visitor<'de> for ColumnVisitor {
            type Value = Column;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of categories")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Column, A::Error> {
                let (mut holds_positions, mut position) = (true, 0);
                while let Some(category) = items.next_element::<Category>()? {
                    holds_positions &= matches!(category, Category::Number(at) if at == position);
                    position += 1;
                }
                Ok(Column { holds_positions })
            }
        }

        deserializer.deserialize_seq(ColumnVisitor)
    }
}

/// A category, as far as it matters.
#[derive(Deserialize)]
#[serde(untagged)]
enum Category {
    Number(u64),
    Other(IgnoredAny),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_frame(rest: &str, is_refused: bool) {
        assert_eq!(refuse_named_categories(rest).is_err(), is_refused, "{rest}");
    }

    #[test]
    fn only_categories_that_are_not_their_position_are_refused() {
        check_frame("", false);
        check_frame("\npandas_categorical:null\n", false);
        check_frame("\npandas_categorical:[]\n", false);
        check_frame("\npandas_categorical:[[0, 1, 2], []]\n", false);
        check_frame("\npandas_categorical:[[0, 1], [0, 2]]\n", true);
        check_frame("\npandas_categorical:[[\"a\", \"b\"]]\n", true);
        check_frame("\npandas_categorical:[[0.5, true, null]]\n", true);
    }
}
