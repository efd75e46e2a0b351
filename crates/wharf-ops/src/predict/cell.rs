//! A cell of a table → an element of a tensor, in binary: little-endian; a text is its length (u32) and its bytes.

use super::signature::Datatype;

/// Adds a cell to a tensor, or says what it should be.
pub(super) fn put(
    text: &str,
    datatype: Datatype,
    missing: bool,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    if datatype == Datatype::Bytes {
        let length = u32::try_from(text.len()).map_err(|_| "a shorter text".to_owned())?;
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(text.as_bytes());
        return Ok(());
    }
    let text = text.trim();
    if is_missing(text) {
        return if missing {
            hole(datatype, out)
        } else {
            Err("a value: none may be missing".into())
        };
    }
    match datatype {
        Datatype::Fp32 => {
            extend(out, finite::<f32>(text, |number| number.is_finite())?.to_le_bytes());
        }
        Datatype::Fp64 => {
            extend(out, finite::<f64>(text, |number| number.is_finite())?.to_le_bytes());
        }
        Datatype::Bool => extend(out, [u8::from(truth(text)?)]),
        Datatype::Uint8 => extend(out, within::<u8>(text)?.to_le_bytes()),
        Datatype::Uint16 => extend(out, within::<u16>(text)?.to_le_bytes()),
        Datatype::Uint32 => extend(out, within::<u32>(text)?.to_le_bytes()),
        Datatype::Uint64 => extend(out, within::<u64>(text)?.to_le_bytes()),
        Datatype::Int8 => extend(out, within::<i8>(text)?.to_le_bytes()),
        Datatype::Int16 => extend(out, within::<i16>(text)?.to_le_bytes()),
        Datatype::Int32 => extend(out, within::<i32>(text)?.to_le_bytes()),
        Datatype::Int64 => extend(out, within::<i64>(text)?.to_le_bytes()),
        Datatype::Fp16 | Datatype::Bf16 => {
            return Err("of a type that wharf does not write: floats of 16 bits".to_owned());
        }
        Datatype::Bytes => unreachable!("written above"),
    }
    Ok(())
}

fn extend<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    out.extend_from_slice(&bytes);
}

/// What pandas takes for a missing value, in its words for it.
fn is_missing(text: &str) -> bool {
    matches!(text, "" | "NaN" | "nan" | "NA" | "N/A" | "null" | "NULL" | "<NA>")
}

fn hole(datatype: Datatype, out: &mut Vec<u8>) -> Result<(), String> {
    match datatype {
        Datatype::Fp32 => extend(out, f32::NAN.to_le_bytes()),
        Datatype::Fp64 => extend(out, f64::NAN.to_le_bytes()),
        _ => return Err("a value: only floats may be missing".to_owned()),
    }
    Ok(())
}

fn finite<T: std::str::FromStr>(text: &str, fits: impl Fn(&T) -> bool) -> Result<T, String> {
    let number = text.parse().map_err(|_| "a number".to_owned())?;
    if fits(&number) { Ok(number) } else { Err("a number within the model's range".to_owned()) }
}

/// Reads an integer, also one that was written as a float: `3.0`.
fn within<T: TryFrom<i128>>(text: &str) -> Result<T, String> {
    /// Beyond this not every integer is a float of 64 bits.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = text.parse().ok().or_else(|| {
        let float: f64 = text.parse().ok()?;
        (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i128)
    });
    let number = number.ok_or_else(|| "a whole number".to_owned())?;
    T::try_from(number).map_err(|_| "a whole number within the model's range".to_owned())
}

fn truth(text: &str) -> Result<bool, String> {
    match text {
        "true" | "True" | "TRUE" | "1" => Ok(true),
        "false" | "False" | "FALSE" | "0" => Ok(false),
        _ => Err("`true` or `false`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str, datatype: Datatype) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        put(text, datatype, false, &mut out).map(|()| out)
    }

    #[test]
    fn cells_are_elements_of_their_type() {
        assert_eq!(cell("0.1", Datatype::Fp32).unwrap(), 0.1_f32.to_le_bytes());
        assert_eq!(cell(" -1e3 ", Datatype::Fp64).unwrap(), (-1000.0_f64).to_le_bytes());
        assert_eq!(cell("3.0", Datatype::Int64).unwrap(), 3_i64.to_le_bytes());
        let large = "9223372036854775807";
        assert_eq!(cell(large, Datatype::Int64).unwrap(), i64::MAX.to_le_bytes());
        assert_eq!(cell("True", Datatype::Bool).unwrap(), [1]);
        assert_eq!(cell(" é", Datatype::Bytes).unwrap(), [3, 0, 0, 0, b' ', 0xc3, 0xa9]);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        for (text, datatype, expect) in [
            ("abc", Datatype::Fp32, "a number"),
            ("1e39", Datatype::Fp32, "a number within the model's range"),
            ("inf", Datatype::Fp64, "a number within the model's range"),
            ("1.5", Datatype::Int64, "a whole number"),
            ("-1", Datatype::Uint8, "a whole number within the model's range"),
            ("yes", Datatype::Bool, "`true` or `false`"),
            ("", Datatype::Fp64, "a value: none may be missing"),
        ] {
            assert_eq!(cell(text, datatype), Err(expect.to_owned()), "{text}");
        }
    }

    #[test]
    fn holes_are_nan_where_values_may_be_missing() {
        let mut out = Vec::new();
        put("NA", Datatype::Fp32, true, &mut out).unwrap();
        assert!(f32::from_le_bytes(out.try_into().unwrap()).is_nan());
        assert!(put("", Datatype::Int64, true, &mut Vec::new()).is_err());
    }
}
