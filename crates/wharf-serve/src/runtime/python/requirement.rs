//! Which line of the requirements brings a Python module.

/// Modules whose package has another name.
const OTHER_NAMES: [(&str, &str); 9] = [
    ("PIL", "pillow"),
    ("bs4", "beautifulsoup4"),
    ("cv2", "opencv-python"),
    ("dateutil", "python-dateutil"),
    ("google", "protobuf"),
    ("skimage", "scikit-image"),
    ("sklearn", "scikit-learn"),
    ("skl2onnx", "skl2onnx"),
    ("yaml", "pyyaml"),
];

/// Says of a module that cannot be imported what would bring it.
pub(super) fn advice(module: &str, requirements: &[String]) -> String {
    let module = module.split('.').next().unwrap_or(module);
    match requirements.iter().find(|line| brings(line, module)) {
        Some(line) => format!("the model requires `{line}`, which this Python does not have"),
        None => format!("none of the model's requirements brings the module `{module}`"),
    }
}

fn brings(requirement: &str, module: &str) -> bool {
    let end = requirement.find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)));
    let package = normal(&requirement[..end.unwrap_or(requirement.len())]);
    let other = OTHER_NAMES.iter().find(|(name, _)| *name == module);
    package == normal(module) || other.is_some_and(|(_, name)| package == *name)
}

/// Packages are the same in any case, and with any of these signs.
fn normal(name: &str) -> String {
    name.to_lowercase().replace(['_', '.'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_module_is_told_with_its_requirement() {
        let requirements = ["numpy==2.4.6", "scikit-learn>=1.9", "My_Lib[fast]==1", "pyyaml"];
        let requirements = requirements.map(str::to_owned);
        let check = |module, expect: &str| assert_eq!(advice(module, &requirements), expect);
        check("numpy", "the model requires `numpy==2.4.6`, which this Python does not have");
        check(
            "sklearn.svm",
            "the model requires `scikit-learn>=1.9`, which this Python does not have",
        );
        check("my_lib", "the model requires `My_Lib[fast]==1`, which this Python does not have");
        check("yaml", "the model requires `pyyaml`, which this Python does not have");
        check("torch", "none of the model's requirements brings the module `torch`");
    }
}
