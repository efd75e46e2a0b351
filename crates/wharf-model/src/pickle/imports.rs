//! What a pickle imports, and what a person should know of it before it is loaded.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wharf_spec::model::{Risk, RiskLevel};

/// The imports of one pickle.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Imports {
    /// Module and name, sorted: `("sklearn.linear_model._logistic", "LogisticRegression")`.
    names: BTreeSet<(String, String)>,
    /// How many imports have a name that is computed while loading.
    hidden: u64,
    /// Attributes that are taken of something while loading: `getattr(x, "system")`.
    reached: BTreeSet<String>,
    /// Why the listing ends before the file does.
    incomplete: Option<String>,
    /// Whether arrays lie between the opcodes, as only joblib writes and reads them.
    pub has_raw_arrays: bool,
    /// Whether the whole file is compressed, which only joblib undoes by itself.
    pub compressed: bool,
}

/// How many modules a sentence names before it counts the rest.
const SHOWN: usize = 6;

/// How many different imports are kept; models have dozens.
const MAX_NAMES: usize = 10_000;

impl Imports {
    /// Returns module and name of every import, sorted.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names.iter().map(|(module, name)| (module.as_str(), name.as_str()))
    }

    /// Returns the packages that are imported from, sorted: `numpy`, `sklearn`.
    pub fn packages(&self) -> BTreeSet<&str> {
        self.names.iter().map(|(module, _)| package(module)).collect()
    }

    /// Says whether something is looked up in the script that saved the pickle.
    pub fn need_main(&self) -> bool {
        self.names.iter().any(|(module, _)| module == "__main__")
    }

    /// Says whether only joblib can load the file.
    pub fn need_joblib(&self) -> bool {
        self.has_raw_arrays || self.compressed
    }

    /// Says whether functions are in the file itself, as code, rather than by their name.
    pub fn hold_code(&self) -> bool {
        self.names().any(|import| OWN_CODE.contains(&import))
    }

    /// Returns the imports that no model needs, as `module.name`.
    pub fn dangerous(&self) -> Vec<String> {
        let imports = self.names().filter(|(module, name)| is_dangerous(module, name));
        let reached = self.reached.iter().filter(|name| {
            DANGEROUS_PACKAGES.contains(&name.as_str())
                || DANGEROUS_ATTRIBUTES.contains(&name.as_str())
        });
        imports
            .map(|(module, name)| format!("{module}.{name}"))
            .chain(reached.map(|name| format!("the attribute {name}")))
            .collect()
    }

    /// Returns what a person should know, for the file of this name; the worst first.
    pub fn risks(&self, file: &str) -> Vec<Risk> {
        let mut risks = Vec::new();
        let mut danger = |text| risks.push(Risk { level: RiskLevel::Danger, text });
        let dangerous = self.dangerous();
        if !dangerous.is_empty() {
            let names = shortened(dangerous.iter().map(String::as_str));
            danger(format!("`{file}` uses {names}, which no model needs: do not load it"));
        }
        if self.hidden > 0 {
            danger(format!("`{file}` imports something whose name is only known while loading"));
        }
        if let Some(why) = &self.incomplete {
            danger(format!("not all that `{file}` imports could be listed: {why}"));
        }
        let mut caution = |text| risks.push(Risk { level: RiskLevel::Caution, text });
        caution(format!("loading `{file}` runs code: {}", self.summary()));
        if self.hold_code() {
            caution(format!("`{file}` holds code of its own, which only Python can show"));
        }
        risks
    }

    fn summary(&self) -> String {
        let packages = self.packages();
        if packages.is_empty() {
            return "it is a pickle".to_owned();
        }
        let modules: BTreeSet<&str> = self.names().map(|(module, _)| module).collect();
        let plural = if modules.len() == 1 { "" } else { "s" };
        let count = modules.len();
        format!("it imports {} ({count} module{plural})", shortened(packages.into_iter()))
    }

    pub(super) fn add(&mut self, module: &str, name: &str) {
        if self.names.len() >= MAX_NAMES {
            self.stop_early(format!("it imports more than {MAX_NAMES} names"));
            return;
        }
        self.names.insert((module.to_owned(), name.to_owned()));
    }

    pub(super) fn hide(&mut self) {
        self.hidden += 1;
    }

    pub(super) fn reach(&mut self, attribute: &str) {
        if self.reached.len() < MAX_NAMES {
            self.reached.insert(attribute.to_owned());
        }
    }

    pub(super) fn stop_early(&mut self, why: String) {
        self.incomplete.get_or_insert(why);
    }
}

fn package(module: &str) -> &str {
    module.split('.').next().unwrap_or(module)
}

fn shortened<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let shown: Vec<&str> = names.take(SHOWN).collect();
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Says whether an import can run commands, reach the network or files, or undo this very listing.
fn is_dangerous(module: &str, name: &str) -> bool {
    let package = package(module);
    if package == "builtins" {
        return DANGEROUS_BUILTINS.contains(&package_of_name(name));
    }
    let in_list = |part: &str| DANGEROUS_PACKAGES.contains(&part);
    // `("numpy", "f2py.os.system")` reaches a module through another one.
    in_list(package)
        || DANGEROUS_MODULES.contains(&module)
        || name.split('.').any(|part| in_list(part) && name.contains('.'))
        || DANGEROUS_NAMES.contains(&(module, name))
}

fn package_of_name(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Functions of the language itself that run or reach anything.
#[rustfmt::skip]
const DANGEROUS_BUILTINS: &[&str] = &[
    "__import__", "apply", "breakpoint", "compile", "eval", "exec", "execfile", "file", "globals", "input", "locals", "open", "vars",
];

/// Attributes from which everything can be reached.
#[rustfmt::skip]
const DANGEROUS_ATTRIBUTES: &[&str] = &[
    "__builtins__", "__dict__", "__getattribute__", "__globals__", "__import__", "__subclasses__", "eval", "exec",
    "popen", "system",
];

/// What dill and cloudpickle call to make functions out of code in the file.
const OWN_CODE: &[(&str, &str)] = &[
    ("cloudpickle.cloudpickle", "_make_function"),
    ("cloudpickle.cloudpickle_fast", "_make_function"),
    ("dill._dill", "_create_code"),
    ("types", "CodeType"),
];

/// Packages that run commands or code, or reach the network, files or the interpreter.
#[rustfmt::skip]
const DANGEROUS_PACKAGES: &[&str] = &[
    "_aix_support", "_osx_support", "_pickle", "_posixsubprocess", "_pyrepl", "_socket", "_thread", "aiohttp",
    "asyncio", "bdb", "cPickle", "cProfile", "code", "codeop", "commands", "concurrent", "ctypes", "_ctypes",
    "distutils", "doctest", "ensurepip", "fcntl", "ftplib", "gc", "http", "httplib", "httpx", "idlelib", "imaplib",
    "imp", "importlib", "lib2to3", "marshal", "mmap", "multiprocessing", "nt", "ntpath", "os", 
    "pdb", "pickle", "pip", "pkgutil", "platform", "poplib", "posix", "posixpath", "profile", "pty", "pydoc",
    "requests", "resource", "runpy", "setuptools", "shelve", "shutil", "signal", "site", "smtplib", "socket",
    "socketserver", "ssl", "subprocess", "sys", "telnetlib", "tempfile", "test", "threading", "timeit", "trace",
    "urllib", "urllib2", "venv", "webbrowser", "xmlrpc", "zipimport",
];

/// Modules of that kind inside packages that models do need.
const DANGEROUS_MODULES: &[&str] = &[
    "numpy.distutils",
    "numpy.f2py",
    "numpy.testing._private.utils",
    "torch.hub",
    "torch.utils.cpp_extension",
    "torch.utils._config_module",
];

/// Single names of that kind.
#[rustfmt::skip]
const DANGEROUS_NAMES: &[(&str, &str)] = &[
    ("joblib", "load"), ("joblib.numpy_pickle", "load"), ("dill", "load"), ("dill", "loads"),
    ("dill._dill", "load"), ("dill._dill", "loads"), ("cloudpickle", "load"), ("cloudpickle", "loads"),
    ("numpy", "load"), ("numpy", "save"), ("numpy", "savetxt"), ("numpy", "fromfile"), ("numpy", "memmap"),
    ("operator", "attrgetter"), ("operator", "methodcaller"), ("_operator", "attrgetter"),
    ("_operator", "methodcaller"), ("pandas", "read_pickle"), ("pandas", "eval"), ("torch", "load"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_model_needs_is_dangerous() {
        let cases = [
            ("os", "system", true),
            ("posix", "system", true),
            ("builtins", "eval", true),
            ("builtins", "dict", false),
            ("numpy", "f2py.os.system", true),
            ("numpy", "ndarray", false),
            ("sklearn.linear_model._logistic", "LogisticRegression", false),
            ("importlib.util", "find_spec", true),
            ("copyreg", "_reconstructor", false),
            ("mymodule", "os", false),
            ("dill._dill", "_create_function", false),
        ];
        for (module, name, expected) in cases {
            assert_eq!(is_dangerous(module, name), expected, "{module}.{name}");
        }
    }

    #[test]
    fn a_summary_names_packages_and_counts_modules() {
        let mut imports = Imports::default();
        imports.add("sklearn.linear_model", "Ridge");
        imports.add("numpy", "dtype");
        imports.add("numpy", "ndarray");
        let risks = imports.risks("m.pkl");
        insta::assert_snapshot!(
            risks[0].text,
            @"loading `m.pkl` runs code: it imports numpy, sklearn (2 modules)"
        );
    }
}
