//! The classification extension: in place of scores the best classes of each row, as `value:index:label`.

use bytes::Bytes;
use serde_json::Value;
use wharf_model::tensor::Data;

use super::{
    datatype::Datatype,
    tensor::{Elements, V2Tensor},
};

/// Returns the best `count` classes of each row; `None` where there are no scores.
pub(crate) fn best(scores: &V2Tensor, count: usize, labels: &[Value]) -> Option<V2Tensor> {
    let (rows, width) = match *scores.shape {
        [width] => (1, width),
        [rows, width] => (rows, width),
        _ => return None,
    };
    let Elements::Numbers(data) = &scores.elements else { return None };
    let count = count.min(width);
    let mut texts = Vec::with_capacity(rows * count);
    for row in 0..rows {
        let mut order: Vec<usize> = (0..width).collect();
        // Of equal scores the first is the better one; the sort keeps their order.
        order.sort_by(|a, b| score(data, row * width + b).total_cmp(&score(data, row * width + a)));
        for index in &order[..count] {
            let label = labels.get(*index).map(|label| match label {
                Value::String(text) => format!(":{text}"),
                other => format!(":{other}"),
            });
            let value = shown(data, row * width + index);
            texts.push(Bytes::from(format!("{value}:{index}{}", label.unwrap_or_default())));
        }
    }
    let shape = if scores.shape.len() == 1 { vec![count] } else { vec![rows, count] };
    let elements = Elements::Texts(texts);
    Some(V2Tensor { name: scores.name.clone(), datatype: Datatype::Bytes, shape, elements })
}

fn score(data: &Data, index: usize) -> f64 {
    match data {
        Data::F32(items) => items[index].into(),
        Data::F64(items) => items[index],
        Data::I32(items) => items[index].into(),
        Data::I64(items) => items[index] as f64,
        Data::U64(items) => items[index] as f64,
        Data::Bool(items) => f64::from(u8::from(items[index])),
        Data::Str(_) => 0.0,
    }
}

/// Shows a score with as many digits as its own width needs.
fn shown(data: &Data, index: usize) -> String {
    match data {
        Data::F32(items) => items[index].to_string(),
        other => score(other, index).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(shape: &[usize], count: usize, labels: &[Value], expect: &[&'static str]) {
        let elements = Elements::Numbers(Data::F32(
            vec![0.1, 0.6, 0.3, 0.5, 0.5, 0.0][..shape.iter().product()].to_vec(),
        ));
        let scores = V2Tensor {
            name: "p".to_owned(),
            datatype: Datatype::Fp32,
            shape: shape.to_vec(),
            elements,
        };
        let best = best(&scores, count, labels).unwrap();
        let texts = expect.iter().map(|text| Bytes::from_static(text.as_bytes()));
        assert_eq!(best.elements, Elements::Texts(texts.collect()));
    }

    #[test]
    fn the_best_come_first_with_their_labels() {
        check(&[2, 3], 2, &[], &["0.6:1", "0.3:2", "0.5:0", "0.5:1"]);
        let labels = [json!("a"), json!("b"), json!(7)];
        check(&[3], 9, &labels, &["0.6:1:b", "0.3:2:7", "0.1:0:a"]);
    }
}
