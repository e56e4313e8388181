//! Durations, schedules, variables, secrets.

use super::super::problem::Position;
use super::super::secret::Hidden;
use super::*;
use secrecy::ExposeSecret;

#[test]
fn durations_need_a_unit_and_sense() {
    for (setting, said) in [
        ("poll_interval: 50", "`50` is not a duration; write a number and a unit, such as `50ms` or `5m`"),
        ("poll_interval: soon", "`soon` is not a duration"),
        ("poll_interval: -5s", "`-5s` is not a duration"),
        ("poll_interval: ''", "`` is not a duration"),
        ("poll_interval: 0s", "`0s` is shorter than 1ms; give at least 1ms"),
        ("poll_interval: 2h", "`2h` is longer than 1h; give at most 1h"),
        ("poll_interval: 99999999999999999999y", "is not a duration"),
        ("tombstone_retention: 45", "`45` is not a duration; write a number and a unit, such as `45d`"),
        ("tombstone_retention: 59m", "`59m` is shorter than 1h"),
        ("tombstone_retention: never", "`never` is not a duration"),
        ("conflict_retention: forever", "`forever` is not a duration"),
        ("clock_skew_warning: 0ms", "`0ms` is shorter than 1ms"),
    ] {
        let problems = refused(&with(setting));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("line 6, column "), "{problems:?}");
        assert!(problems[0].contains(said) && problems[0].ends_with("[GRP-015]"), "{problems:?}");
    }
    let text = with_members("  hq: { url: sqlite:a.db, apply: { longest_lock: 2m } }");
    assert!(refused(&text)[0].contains("`longest_lock`: `2m` is longer than 1m"));
}

#[test]
fn schedules_are_continuous_manual_or_an_interval() {
    for (text, schedule) in [
        ("continuous", Schedule::Continuous),
        ("manual", Schedule::Manual),
        ("every 1s", Schedule::Every(Duration::from_secs(1))),
        ("every 1h 30m", Schedule::Every(Duration::from_secs(5400))),
    ] {
        assert_eq!(accepted(&with(&format!("schedule: {text}"))).schedule, schedule);
    }
    for (text, said) in [
        ("5m", "is not a schedule"),
        ("every", "is not a schedule"),
        ("every day", "is not a duration"),
        ("every 10ms", "is shorter than 1s"),
        ("every 8d", "is longer than 7days"),
    ] {
        let problems = refused(&with(&format!("schedule: {text}")));
        assert!(problems[0].contains(said), "{problems:?}");
    }
}

#[test]
fn variables_may_stand_in_any_text() {
    let file = accepted(
        &with("data_dir: '${DATA}/${NAME}'\nconflict_retention: 45d")
            .replace("group: retail", "group: ${NAME}"),
    );
    assert_eq!(file.group.as_str(), "retail");
    assert_eq!(file.data_dir, Path::new("/srv/data/retail"));
}

#[test]
fn a_variables_value_is_taken_as_it_is_and_dollars_can_be_written() {
    let file = accepted(&with("data_dir: '${DOLLAR}-$${NAME}-$5-$$-{x}'"));
    assert_eq!(file.data_dir, Path::new("/etc/tributary/${NAME}-${NAME}-$5-$$-{x}"));
}

#[test]
fn a_variable_that_is_not_there_is_told_with_its_place() {
    assert_eq!(
        refused(&with("data_dir: '${NOT_SET}'\nschedule: 'every ${ALSO}'")),
        [
            "line 6, column 11: the variable `NOT_SET` is not set; set it in the environment of the process, or \
             write the value itself [GRP-019]",
            "line 7, column 11: the variable `ALSO` is not set; set it in the environment of the process, or write \
             the value itself [GRP-019]",
        ]
    );
    for (text, said) in [
        ("${NAME", "is not closed"),
        ("${}", "is not a variable's name"),
        ("${1A}", "is not a variable's name"),
        ("${A-B}", "is not a variable's name"),
    ] {
        let problems = refused(&with(&format!("data_dir: '{text}'")));
        assert!(problems[0].contains(said) && problems[0].ends_with("[GRP-019]"), "{problems:?}");
    }
}

#[test]
fn messages_show_what_is_written_and_not_what_a_variable_holds() {
    let said = refused(&with("schedule: '${HQ_PASSWORD}'"));
    assert!(said[0].contains("`${HQ_PASSWORD}` is not a schedule"), "{said:?}");
    for setting in ["data_dir", "poll_interval", "conflict_retention", "clock_skew_warning"] {
        let said = format!("{:?}", parse(&with(&format!("{setting}: 'x${{HQ_PASSWORD}}'"))).err());
        assert!(!said.contains("correct-horse"), "{said}");
    }
    let said = refused(&with("priority: ['${HQ_PASSWORD}']\nmetrics: { listen: '${HQ_PASSWORD}' }"));
    assert!(!said.concat().contains("correct-horse"), "{said:?}");
}

fn resolve(written: &str, base: &Path) -> Result<String, Problem> {
    let hidden: Hidden = serde_saphyr::from_str(&serde_json::to_string(written).unwrap()).unwrap();
    assert!(!format!("{hidden:?}").contains(written), "{hidden:?}");
    let at = Position { line: 7, column: 3 };
    hidden.resolve(at, base, &variables).map(|secret| {
        assert!(!format!("{secret:?}").contains(secret.expose_secret()), "{secret:?}");
        secret.expose_secret().to_owned()
    })
}

#[test]
fn secrets_come_from_the_text_a_variable_or_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("one"), "s3cret\n").unwrap();
    std::fs::write(folder.path().join("two"), "with space \r\n").unwrap();
    std::fs::write(folder.path().join("three"), "no ${NAME} here").unwrap();
    let base = folder.path();
    assert_eq!(resolve("plain", base), Ok("plain".to_owned()));
    assert_eq!(resolve("${HQ_PASSWORD}", base), Ok("correct-horse".to_owned()));
    assert_eq!(resolve("a$${b", base), Ok("a${b".to_owned()));
    assert_eq!(resolve("file:one", base), Ok("s3cret".to_owned()));
    assert_eq!(resolve(&format!("file:{}/two", base.display()), base), Ok("with space ".to_owned()));
    assert_eq!(resolve("file:three", base), Ok("no ${NAME} here".to_owned()), "a file is taken as it is");
    assert_eq!(resolve("${LOOKS_LIKE_A_FILE}", base), Ok("file:/etc/hostname".to_owned()));
}

#[test]
fn secrets_that_cannot_be_read_are_told_with_their_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty"), "\n").unwrap();
    std::fs::write(folder.path().join("huge"), "x".repeat(70_000)).unwrap();
    std::fs::write(folder.path().join("bytes"), b"\xff\xfe").unwrap();
    for (name, said) in [
        ("none", "cannot read the password file"),
        ("empty", "is empty"),
        ("huge", "longer than"),
        ("bytes", "UTF-8"),
    ] {
        let problem = resolve(&format!("file:{name}"), folder.path()).unwrap_err();
        assert_eq!((problem.kind, problem.at.line), (ProblemKind::Secret, 7));
        assert!(problem.what.contains(said) && problem.what.contains(name), "{problem}");
        assert!(!problem.to_string().contains("xxx"), "{problem}");
    }
    let problem = resolve("${NOT_SET}", folder.path()).unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Variable);
    let problem = resolve("my${pass-word}", folder.path()).unwrap_err();
    assert!(!problem.to_string().contains("pass-word"), "part of a password must not be shown: {problem}");
}
