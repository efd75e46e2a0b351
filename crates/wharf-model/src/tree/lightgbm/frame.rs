//! The categories of a data frame that a model was trained with, as LightGBM's Python package writes them at the end.

use serde_json::Value;

use crate::error::ReadError;

/// Returns the names of each column's categories; empty when no column has any, or each category is its own number.
///
/// The file has one list for each column of categories and does not say for which: they follow each other in the order
/// of the columns that the trees take for categories.
pub(super) fn categories(rest: &str, categorical: &[bool]) -> Result<Vec<Vec<Value>>, ReadError> {
    let mut lines = rest.lines().filter_map(|line| line.strip_prefix("pandas_categorical:"));
    let Some(list) = lines.next_back() else { return Ok(Vec::new()) };
    let lists: Option<Vec<Vec<Value>>> = serde_json::from_str(list).map_err(|error| {
        ReadError::corrupt(format!("`pandas_categorical` cannot be read: {error}"))
    })?;
    let lists = lists.unwrap_or_default();
    let is_position = |(position, name): (u64, &Value)| name.as_u64() == Some(position);
    if lists.iter().all(|names| (0..).zip(names).all(is_position)) {
        return Ok(Vec::new());
    }
    if lists.len() != categorical.iter().filter(|is_categorical| **is_categorical).count() {
        return Err(ReadError::Unsupported {
            what: "the model was trained with categories of a data frame, and the file does not say of which columns"
                .to_owned(),
            hint: Some("train with the categories' numbers (`.cat.codes`) as columns".to_owned()),
        });
    }
    let mut lists = lists.into_iter();
    let of_column = |is_categorical: &bool| {
        if *is_categorical { lists.next().unwrap_or_default() } else { Vec::new() }
    };
    Ok(categorical.iter().map(of_column).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(list: &str, categorical: &[bool], expect: Option<Value>) {
        let rest = format!("\npandas_categorical:{list}\n");
        let found = categories(&rest, categorical).ok();
        assert_eq!(found.map(|found| json!(found)), expect, "{list}");
    }

    #[test]
    fn lists_belong_to_the_columns_of_categories_in_their_order() {
        check(r#"[["a", "b"]]"#, &[false, true], Some(json!([[], ["a", "b"]])));
        check("[[5, 7], [true]]", &[true, true], Some(json!([[5, 7], [true]])));
        check("[[0, 1], [0, 2]]", &[true, true], Some(json!([[0, 1], [0, 2]])));
    }

    #[test]
    fn categories_that_are_their_own_numbers_have_no_names() {
        for list in ["null", "[]", "[[0, 1, 2], []]"] {
            check(list, &[], Some(json!([])));
        }
        assert_eq!(categories("", &[]).unwrap(), [] as [Vec<Value>; 0]);
    }

    #[test]
    fn lists_of_unknown_columns_are_refused() {
        check(r#"[["a", "b"], ["c"]]"#, &[false, true], None);
        check(r#"[["a"]]"#, &[], None);
    }
}
