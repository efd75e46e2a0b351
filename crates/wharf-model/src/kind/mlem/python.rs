//! MLEM models that run in a Python worker: scikit-learn, and anything that can be called.

use std::{collections::BTreeSet, path::PathBuf};

use wharf_spec::{
    mlem::{ModelFile, Processor},
    model::{LoadStep, Loader, ModelKind, NativeOptions, RuntimeKind},
};

use super::{
    MAIN, artifacts, kind,
    methods::{self, Options},
    requirements,
};
use crate::{
    error::{ReadError, Result},
    kind::{
        Draft,
        bundle::{Bundle, Fingerprint, Md5Wanted, Reader},
    },
    known::KnownFiles,
    pickle::scan::{Dialect, scan},
    recognise::{FileSource, sniff::not_served, target::Target},
};

/// Describes a model whose every processor is a pickle.
pub(super) fn describe(
    target: &Target,
    file: &ModelFile,
    main: ModelKind,
    known: &dyn KnownFiles,
) -> Result<Draft> {
    let mut bundle = Bundle::default();
    let mut risks = Vec::new();
    let mut load = Vec::new();
    let mut packages = BTreeSet::new();
    let mut needs_main = false;
    let reader = Reader { known, name: "pickle", place: None, md5: Md5Wanted::Yes };
    for (name, processor) in &file.processors {
        let loader = loader(target, processor)?;
        let path = format!("{}.pkl", checked_name(target, name)?);
        let reader = Reader { place: Some(&path), ..reader };
        let artifact = artifacts::of_processor(&target.path, file, name, reader, |bytes| {
            scan(bytes, Dialect::Pickle)
        })?;
        let imports = artifact.seen;
        let shown = artifact.path.file_name().unwrap_or_default().to_string_lossy();
        risks.extend(imports.risks(&shown));
        bundle.add(&path, artifact.fingerprint, FileSource::File(artifact.path.clone()));
        needs_main |= imports.need_main();
        packages.extend(imports.packages().into_iter().map(str::to_owned));
        load.push(LoadStep { processor: name.clone(), loader, path, attribute: None });
    }
    let mut needs = requirements::read(target, file, needs_main, &mut bundle)?;
    requirements::add_loaders(&mut needs, &packages);
    needs.load = load;
    needs.version.clone_from(&target.section.python_version);
    risks.sort_by_key(|risk| std::cmp::Reverse(risk.level));
    Ok(Draft {
        kind: main,
        runtime: RuntimeKind::Python,
        reason: format!("{}, which only Python loads", what_it_is(main)),
        entry: format!("{MAIN}.pkl"),
        methods: methods::of(&target.path, file, Options::Offered)?,
        classes: Vec::new(),
        python: Some(needs),
        risks,
        meta: serde_json::Map::new(),
        options: NativeOptions::default(),
        bundle,
    })
}

/// Describes a booster in XGBoost's old binary form: only the version that saved it reads that.
pub(super) fn old_booster(
    target: &Target,
    file: &ModelFile,
    path: PathBuf,
    fingerprint: Fingerprint,
) -> Result<Draft> {
    const ENTRY: &str = "model.xgb";
    let mut bundle = Bundle::default();
    bundle.add(ENTRY, fingerprint, FileSource::File(path));
    let mut needs = requirements::read(target, file, false, &mut bundle)?;
    needs.load = vec![LoadStep {
        processor: MAIN.to_owned(),
        loader: Loader::XgboostBooster,
        path: ENTRY.to_owned(),
        attribute: None,
    }];
    needs.version.clone_from(&target.section.python_version);
    let mut methods = methods::of(&target.path, file, Options::LeftOut)?;
    for argument in methods.iter_mut().flat_map(|method| &mut method.args) {
        argument.keyword = None;
        argument.allows_missing = true;
    }
    Ok(Draft {
        kind: ModelKind::Xgboost,
        runtime: RuntimeKind::Python,
        reason: "XGBoost's old binary form, which only the version that saved it reads; \
                 `save_model(\"model.ubj\")` makes a file that wharf evaluates itself"
            .to_owned(),
        entry: ENTRY.to_owned(),
        methods,
        classes: Vec::new(),
        python: Some(needs),
        risks: Vec::new(),
        meta: serde_json::Map::new(),
        options: NativeOptions::default(),
        bundle,
    })
}

fn loader(target: &Target, processor: &Processor) -> Result<Loader> {
    match kind(&target.path, processor)? {
        ModelKind::Sklearn | ModelKind::SklearnPipeline | ModelKind::SklearnTransformer => {
            Ok(Loader::Pickle)
        }
        ModelKind::Callable => Ok(Loader::Dill),
        other => Err(not_served(other.word()).in_file(&target.path)),
    }
}

const fn what_it_is(kind: ModelKind) -> &'static str {
    match kind {
        ModelKind::Callable => "a pickled function or callable object",
        _ => "a pickle with scikit-learn's interface",
    }
}

/// Returns a processor's name, which becomes a file's.
fn checked_name<'a>(target: &Target, name: &'a str) -> Result<&'a str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.is_empty() && name.len() <= 100 && name.chars().all(is_word) {
        return Ok(name);
    }
    let what = format!("its processor `{name}` has a name that wharf does not take");
    Err(ReadError::unsupported(what).in_file(&target.path))
}
