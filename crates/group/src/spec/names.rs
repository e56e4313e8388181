//! When two names mean the same table or column: compared without case and underscores.

/// The form in which names are compared.
pub(crate) fn folded(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

/// The position of the one name among `names` that means `wanted`: the same spelling first, else the only one that
/// folds alike. `Err` holds all that do when there are several.
pub(crate) fn find<'a>(
    wanted: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<Option<usize>, Vec<&'a str>> {
    let names: Vec<&str> = names.into_iter().collect();
    if let Some(same) = names.iter().position(|name| *name == wanted) {
        return Ok(Some(same));
    }
    let wanted = folded(wanted);
    let alike: Vec<usize> = (0..names.len()).filter(|at| folded(names[*at]) == wanted).collect();
    match alike.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        several => Err(several.iter().map(|at| names[*at]).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_goes_before_likeness_and_likeness_must_be_unique() {
        assert_eq!(find("InvoiceLine", ["invoice_line", "x"]), Ok(Some(0)));
        assert_eq!(find("ab", ["a_b", "ab"]), Ok(Some(1)));
        assert_eq!(find("AB", ["a_b", "ab"]), Err(vec!["a_b", "ab"]));
        assert_eq!(find("y", ["x"]), Ok(None));
    }
}
