//! The page at `/`: a form for each method, its answer, and how to call it from elsewhere.

use maud::{Markup, html};
use serde_json::Value;
use wharf_spec::model::{Answer, Method, ModelCard};

use super::{
    Here, document,
    form::{ArgumentForm, Control, Form, FormField, Layout},
    snippet,
};

/// Returns the page.
pub(crate) fn try_it(card: &ModelCard, host: &str) -> Markup {
    let title = format!("{} · wharf", card.name);
    let body = html! {
        noscript { p.note { "Scripts are off here, so the form does not work. The lines to copy do." } }
        @if card.methods.len() > 1 {
            div.tabs role="tablist" aria-label="Methods" {
                @for (index, method) in card.methods.iter().enumerate() {
                    a.tab role="tab" id={ "tab-" (method.name) } href={ "#" (method.name) }
                        aria-controls=(method.name) aria-selected=(index == 0) { (method.name) }
                }
            }
        }
        @for method in &card.methods { (panel(card, method, host)) }
    };
    document(card, &title, Here::TryIt, &body)
}

fn panel(card: &ModelCard, method: &Method, host: &str) -> Markup {
    let form = Form::of(method);
    let classes = Value::Array(card.classes.clone());
    html! {
        section.method id=(method.name) data-method=(method.name) data-classes=(classes)
            data-also=[probabilities_beside(card, method)] aria-label=(method.name) {
            div.columns {
                form.card.input novalidate {
                    div.head {
                        h2 { "Input" }
                        @if form.as_ref().is_some_and(|form| !is_file(form)) { (modes()) }
                    }
                    @if let Some(form) = &form {
                        div.fields {
                            @for argument in &form.arguments {
                                (argument_fields(argument, form.arguments.len() > 1))
                            }
                        }
                    }
                    @if !form.as_ref().is_some_and(is_file) {
                        div.json hidden[form.is_some()] {
                            label for={ (method.name) "-json" } { "Body, as JSON" }
                            textarea id={ (method.name) "-json" } rows="9" spellcheck="false"
                                autocomplete="off" { (snippet::body(method)) }
                        }
                    }
                    p.problem role="alert" hidden {}
                    div.actions {
                        button.go type="submit" { (go_word(method)) }
                        span.took aria-live="polite" {}
                    }
                }
                div.card.answer {
                    div.head { h2 { "Answer" } }
                    div.result aria-live="polite" {
                        p.empty { "Press " b { (go_word(method)) } ": the example is filled in." }
                    }
                }
            }
            (snippets(method, host))
        }
    }
}

fn go_word(method: &Method) -> &str {
    match method.name.as_str() {
        "predict" => "Predict",
        "predict_proba" => "Predict probabilities",
        "transform" => "Transform",
        other => other,
    }
}

fn is_file(form: &Form) -> bool {
    form.arguments.iter().any(|argument| argument.layout == Layout::File)
}

fn modes() -> Markup {
    html! {
        div.modes role="group" aria-label="Kind of input" {
            button type="button" data-mode="form" aria-pressed="true" { "Form" }
            button type="button" data-mode="json" aria-pressed="false" { "JSON" }
        }
    }
}

/// Returns the method with the probabilities of the classes that this one names: shown beside its answer.
fn probabilities_beside<'a>(card: &'a ModelCard, method: &Method) -> Option<&'a str> {
    let gives_class = method.answer == Answer::Class || method.name == "predict";
    let beside = card
        .methods
        .iter()
        .find(|other| other.answer == Answer::Probabilities || other.name == "predict_proba")?;
    (gives_class && beside.name != method.name && beside.args == method.args)
        .then_some(beside.name.as_str())
}

fn argument_fields(argument: &ArgumentForm, one_of_several: bool) -> Markup {
    html! {
        fieldset data-argument=(argument.name) data-layout=(argument.layout.word())
            data-optional[argument.optional] {
            @if one_of_several && argument.fields.len() > 1 {
                legend { (argument.name) @if argument.optional { small { " optional" } } }
            }
            @for field in &argument.fields { (input(field, argument.optional)) }
        }
    }
}

fn input(field: &FormField, optional: bool) -> Markup {
    let id = format!("f-{}", field.place);
    let said = format!("{id}-said");
    html! {
        div.field {
            label for=(id) {
                span { (field.label) }
                @if let (Some(min), Some(max)) = (field.min, field.max) {
                    small { (min) " – " (max) }
                } @else if optional {
                    small { "optional" }
                }
            }
            @match &field.control {
                Control::Number | Control::Integer => {
                    input id=(id) type="number" step=[step(field)] inputmode="decimal"
                        min=[field.min] max=[field.max] value=[text(&field.value)]
                        data-key=(field.key) data-kind="number" data-place=(field.place)
                        data-missing[field.missing] aria-describedby=(said);
                    @if let (Some(min), Some(max)) = (field.min, field.max) {
                        input.slide type="range" min=(min) max=(max) step="any" tabindex="-1"
                            aria-hidden="true" value=[text(&field.value)];
                    }
                }
                Control::Text => {
                    input id=(id) type="text" value=[text(&field.value)] autocomplete="off"
                        data-key=(field.key) data-kind="text" data-place=(field.place)
                        data-missing[field.missing] aria-describedby=(said);
                }
                Control::Choice(choices) => {
                    select id=(id) data-key=(field.key) data-kind="choice" data-place=(field.place)
                        aria-describedby=(said) {
                        @if optional { option value="" { "–" } }
                        @for choice in choices {
                            option value=(choice) selected[*choice == field.value] { (plain(choice)) }
                        }
                    }
                }
                Control::File => {
                    input id=(id) type="file" data-key=(field.key) data-kind="file"
                        data-place=(field.place) aria-describedby=(said);
                }
            }
            p.said id=(said) hidden {}
        }
    }
}

fn step(field: &FormField) -> Option<&'static str> {
    Some(if field.control == Control::Integer { "1" } else { "any" })
}

/// Returns the text of a value inside its field; nothing for what is missing.
fn text(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| plain(value))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn snippets(method: &Method, host: &str) -> Markup {
    html! {
        div.card.code {
            div.head { h2 { "Call it from elsewhere" } }
            @for (name, text) in [
                ("curl", snippet::curl(method, host)),
                ("Python", snippet::python(method, host)),
            ] {
                figure.snippet data-language=(name) {
                    figcaption {
                        (name)
                        button.copy type="button" hidden { "Copy" }
                    }
                    pre tabindex="0" aria-label={ (name) " snippet" } { code { (text) } }
                }
            }
        }
    }
}
