//! What a native model computed → the answer that a method promises.

use serde_json::Value;
use wharf_model::tensor::{Data, Tensor};

use super::Payload;

/// Returns the names of classes; their numbers where they have no names.
pub(super) fn labels(indices: &[usize], classes: &[Value]) -> Payload {
    if classes.is_empty() {
        let numbers = indices.iter().map(|index| i64::try_from(*index).unwrap_or(i64::MAX));
        return Payload::Tensor(Tensor::vector(Data::I64(numbers.collect())));
    }
    let named: Vec<&Value> =
        indices.iter().map(|index| classes.get(*index).unwrap_or(&Value::Null)).collect();
    if let Some(numbers) = named.iter().map(|name| name.as_i64()).collect::<Option<Vec<_>>>() {
        return Payload::Tensor(Tensor::vector(Data::I64(numbers)));
    }
    let texts = named.iter().map(|name| name.as_str().map(str::to_owned));
    if let Some(texts) = texts.collect::<Option<Vec<_>>>() {
        return Payload::Tensor(Tensor::vector(Data::Str(texts)));
    }
    Payload::Json(named.into_iter().cloned().collect())
}

/// Returns the place of the largest number of each row, of equal ones the first.
pub(super) fn largest(tensor: &Tensor) -> Option<Vec<usize>> {
    let [_, width] = *tensor.shape() else { return None };
    if width == 0 {
        return None;
    }
    match tensor.data() {
        Data::F32(items) => Some(items.chunks(width).map(place_of_largest).collect()),
        Data::F64(items) => Some(items.chunks(width).map(place_of_largest).collect()),
        _ => None,
    }
}

fn place_of_largest<T: PartialOrd>(row: &[T]) -> usize {
    let mut best = 0;
    for (place, number) in row.iter().enumerate() {
        if *number > row[best] {
            best = place;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_are_names_where_there_are_names() {
        let numbers = |numbers| Payload::Tensor(Tensor::vector(Data::I64(numbers)));
        assert_eq!(labels(&[1, 0], &[]), numbers(vec![1, 0]));
        assert_eq!(labels(&[1], &[json!(10), json!(20)]), numbers(vec![20]));
        let texts = Payload::Tensor(Tensor::vector(Data::Str(vec!["b".to_owned()])));
        assert_eq!(labels(&[1], &[json!("a"), json!("b")]), texts);
        assert_eq!(labels(&[0], &[json!(true), json!("b")]), Payload::Json(json!([true])));
    }

    #[test]
    fn of_equal_probabilities_the_first_wins() {
        let rows = Tensor::new(vec![2, 2], Data::F32(vec![0.5, 0.5, 0.1, 0.9])).unwrap();
        assert_eq!(largest(&rows), Some(vec![0, 1]));
    }
}
