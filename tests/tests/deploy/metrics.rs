//! Alerts and dashboard name series that the program serves, with labels that those have.

use crate::group::Stack;
use crate::{root, run};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tributary_testkit::services::{shared_broker, shared_registry};

/// Labels that Prometheus adds: by its own, or as `prometheus.yml` says; `le` is a histogram's.
const ADDED: [&str; 4] = ["group", "instance", "job", "le"];

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The labels of every series that the program serves, by name.
fn served(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name: String = line.chars().take_while(|c| is_name(*c)).collect();
        let labels = line[name.len()..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let labels = labels.map_or("", |(labels, _)| labels);
        let known = found.entry(name).or_default();
        known.extend(labels.split(',').filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())));
    }
    found
}

/// Every series of ours in an expression, with the labels that it is chosen by.
fn named(expression: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = rest.find("tributary_") {
        rest = &rest[at..];
        let name: String = rest.chars().take_while(|c| is_name(*c)).collect();
        rest = &rest[name.len()..];
        let chosen =
            rest.strip_prefix('{').and_then(|inner| inner.split_once('}')).map_or("", |(inner, _)| inner);
        let labels = chosen.split(',').map(|pair| pair.trim().chars().take_while(|c| is_name(*c)).collect());
        found.push((name, labels.filter(|label: &String| !label.is_empty()).collect()));
    }
    found
}

/// The dashboard's expressions, and the queries of its variables.
fn dashboard() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("deploy/grafana/dashboards/tributary.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries: Vec<_> = targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    assert!(queries.len() > 20, "the dashboard's queries were not found");
    queries
}

pub(crate) fn what_is_watched_is_served() {
    let (broker, registry) = (shared_broker().address(), shared_registry().url());
    let stack =
        Stack::provisioned(&format!("{{ kafka: {{ brokers: [\"{broker}\"], registry: \"{registry}\" }} }}"));
    let running = stack.run();
    running.wait_until_ready();
    stack.command(&["sync", "--timeout", "60s"]);
    let served = served(&running.get("/metrics").1);
    assert!(served.len() > 30, "{served:?}");
    let text = std::fs::read_to_string(root().join("deploy/grafana/dashboards/tributary.json")).unwrap();
    let variables: Value = serde_json::from_str(&text).unwrap();
    let variables = variables["templating"]["list"].as_array().unwrap().iter();
    let variables = variables.filter_map(|variable| Some(variable["definition"].as_str()?.to_owned()));
    let files = ["rules.yml", "rules.test.yml"].map(|name| root().join("deploy/prometheus").join(name));
    let rules = files.map(|file| std::fs::read_to_string(file).unwrap());
    for expression in dashboard().into_iter().chain(variables).chain(rules) {
        for (name, labels) in named(&expression) {
            let known = served.get(&name);
            let known =
                known.unwrap_or_else(|| panic!("{name} is not served, but asked for in {expression}"));
            for label in labels {
                let has = known.contains(&label) || ADDED.contains(&label.as_str());
                assert!(has, "{name} has no label {label}, which is asked for in {expression}");
            }
        }
    }
}

/// Grafana tells a mistake in an expression only to who looks at the panel; as a rule, `promtool` does.
pub(crate) fn expressions_of_the_dashboard_are_valid() {
    let mut rules = String::from("groups:\n- name: dashboard\n  rules:\n");
    for (number, expression) in dashboard().iter().enumerate() {
        let expression = expression.replace("$__rate_interval", "1m").replace(['$'], "");
        let quoted = serde_json::to_string(&expression).unwrap();
        rules.push_str(&format!("  - record: dashboard:{number}\n    expr: {quoted}\n"));
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("dashboard.yml"), rules).unwrap();
    run(folder.path(), &["promtool", "check", "rules", "dashboard.yml"]);
}
