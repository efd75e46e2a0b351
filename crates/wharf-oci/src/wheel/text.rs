//! The small text files of a wheel: `WHEEL` and `METADATA` (e-mail headers), `entry_points.txt` (INI), `RECORD` (CSV).

use super::error::Fault;

/// Returns the first value of a header.
pub(super) fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().take_while(|line| !line.is_empty()).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// A command that a wheel brings, as a function of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryPoint {
    pub(super) name: String,
    pub(super) module: String,
    /// `main`, or `App.run`.
    pub(super) function: String,
}

/// Returns the commands of `entry_points.txt` (entry points specification), for terminals and desktops alike.
pub(super) fn commands(text: &str) -> Result<Vec<EntryPoint>, Fault> {
    let mut found = Vec::new();
    let mut wanted = false;
    for (line, text) in (1..).zip(text.lines()) {
        let fault = |why| Fault::Line { line, why };
        let text = text.trim();
        if text.is_empty() || text.starts_with(['#', ';']) {
            continue;
        }
        if let Some(section) = text.strip_prefix('[') {
            let section = section.strip_suffix(']').ok_or(fault("a section ends with `]`"))?;
            wanted = matches!(section.trim(), "console_scripts" | "gui_scripts");
        } else if wanted {
            found.push(command(text).map_err(fault)?);
        }
    }
    Ok(found)
}

fn command(text: &str) -> Result<EntryPoint, &'static str> {
    let (name, object) = text.split_once('=').ok_or("a command is `NAME = MODULE:FUNCTION`")?;
    // What follows may be `[extras]`, or a comment.
    let object = object.split(['[', '#', ';']).next().unwrap_or_default();
    let (module, function) =
        object.split_once(':').ok_or("a command is `NAME = MODULE:FUNCTION`")?;
    let (name, module, function) = (name.trim(), module.trim(), function.trim());
    if name.contains('/') || super::path::check(name).is_err() {
        return Err("the name of a command is that of a file");
    }
    if !is_dotted(module) || !is_dotted(function) {
        return Err("a module and a function are names with dots between them");
    }
    Ok(EntryPoint {
        name: name.to_owned(),
        module: module.to_owned(),
        function: function.to_owned(),
    })
}

fn is_dotted(text: &str) -> bool {
    text.split('.').all(|word| {
        word.starts_with(|first: char| first.is_alphabetic() || first == '_')
            && word.chars().all(|one| one.is_alphanumeric() || one == '_')
    })
}

/// Returns paths and hashes (`sha256=…`, perhaps empty) of `RECORD`.
pub(super) fn record(text: &str) -> Result<Vec<(String, String)>, Fault> {
    let mut rows = Vec::new();
    for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.is_empty()) {
        let fields = row(text).ok_or(Fault::Line { line, why: "quotes are not closed" })?;
        let [path, hash, _] = <[String; 3]>::try_from(fields)
            .map_err(|_| Fault::Line { line, why: "a row is path, hash and size" })?;
        rows.push((path, hash));
    }
    Ok(rows)
}

/// Splits a row of CSV; quotes within quotes are doubled.
fn row(line: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let field = fields.last_mut().expect("there is always one");
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            letter => field.push(letter),
        }
    }
    (!quoted).then_some(fields)
}

/// Returns a path as a field of CSV.
pub(super) fn quoted(path: &str) -> String {
    if path.contains(['"', ',']) {
        format!("\"{}\"", path.replace('"', "\"\""))
    } else {
        path.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_end_at_an_empty_line() {
        let text = "Wheel-Version: 1.0\nTag: a\nTag: b\n\nName: body\n";
        assert_eq!(header(text, "wheel-version"), Some("1.0"));
        assert_eq!(header(text, "Tag"), Some("a"));
        assert_eq!(header(text, "Name"), None);
    }

    #[test]
    fn commands_are_found_in_two_sections() {
        let text = "# x\n[flask.commands]\na = b:c [x]\n\n[console_scripts]\nflask = flask.cli:main\n\
            with-extra = a.b:C.run [extra]\n[gui_scripts]\ngui=g:m\n";
        let found = commands(text).unwrap();
        let shown: Vec<_> = found
            .iter()
            .map(|one| format!("{} {} {}", one.name, one.module, one.function))
            .collect();
        assert_eq!(shown, ["flask flask.cli main", "with-extra a.b C.run", "gui g m"]);
    }

    #[test]
    fn commands_that_are_no_command_are_refused_with_their_line() {
        for bad in ["../x = a:b", "x = a", "x = a:b();import os", "x = a b:c", "x = :c", "x"] {
            let error = commands(&format!("[console_scripts]\n{bad}")).unwrap_err();
            assert!(error.to_string().starts_with("line 2: "), "{bad}: {error}");
        }
    }

    #[test]
    fn a_record_reads_what_it_writes() {
        let path = "a,\"b\".py";
        let text = format!("{},sha256=x,3\r\nplain.py,,\n", quoted(path));
        let rows = record(&text).unwrap();
        assert_eq!(rows, [(path.into(), "sha256=x".into()), ("plain.py".into(), String::new())]);
        assert!(record("\"a,b,c").is_err());
        assert!(record("a,b").is_err());
    }
}
