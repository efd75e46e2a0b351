//! How a registry wants to be asked: the header `WWW-Authenticate` (RFC 9110, section 11).

use std::collections::BTreeMap;

/// One challenge, with its parameters by their names in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// In lower case.
    pub scheme: String,
    pub parameters: BTreeMap<String, String>,
}

/// Reads the challenges of one header; what cannot be read ends it.
pub fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = header.trim_start_matches([' ', ',']);
    while !rest.is_empty() {
        let Some((word, after)) = token(rest) else { break };
        let after_word = after.trim_start();
        match (after_word.strip_prefix('='), challenges.last_mut()) {
            (Some(value), Some(challenge)) => {
                let Some((value, after)) = parameter(value.trim_start()) else { break };
                challenge.parameters.insert(word.to_ascii_lowercase(), value);
                rest = after;
            }
            (Some(_), None) => break,
            (None, _) => {
                challenges.push(Challenge {
                    scheme: word.to_ascii_lowercase(),
                    parameters: BTreeMap::new(),
                });
                rest = after;
            }
        }
        rest = rest.trim_start_matches([' ', ',', '\t']);
    }
    challenges
}

fn token(text: &str) -> Option<(&str, &str)> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let length = text.bytes().take_while(|byte| is_part(*byte)).count();
    (length > 0).then(|| text.split_at(length))
}

/// Reads a value, quoted or not.
fn parameter(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return token(text).map(|(value, rest)| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expect: &str) {
        let shown: Vec<_> = parse(header)
            .into_iter()
            .map(|challenge| {
                let parameters: Vec<_> = challenge
                    .parameters
                    .iter()
                    .map(|(name, value)| format!(" {name}=<{value}>"))
                    .collect();
                format!("{}{}", challenge.scheme, parameters.concat())
            })
            .collect();
        assert_eq!(shown.join("; "), expect, "{header}");
    }

    #[test]
    fn challenges_are_read_as_servers_write_them() {
        check("Basic realm=\"basic-realm\"", "basic realm=<basic-realm>");
        check(
            "Bearer realm=\"https://auth/token\",service=\"reg\",scope=\"repository:a/b:pull,push\"",
            "bearer realm=<https://auth/token> scope=<repository:a/b:pull,push> service=<reg>",
        );
        check("BEARER Realm = x , Basic realm=y", "bearer realm=<x>; basic realm=<y>");
        check("Negotiate, Basic realm=\"a\\\"b\"", "negotiate; basic realm=<a\"b>");
    }

    #[test]
    fn noise_gives_less_and_never_a_panic() {
        check("", "");
        check("=x", "");
        check("Bearer realm=\"open", "bearer");
        check("Bearer realm=\"é\\", "bearer");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_in_time(text in ".{0,200}") {
            parse(&text);
        }
    }
}
