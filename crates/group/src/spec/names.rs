//! When two names mean the same table or column: compared without case and underscores. A table outside the default
//! schema is named with its schema, or without where no other table is called so.

use tributary_member::TableInspection;

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

/// The position of the one table that `wanted` means.
pub(crate) fn find_table(wanted: &str, tables: &[TableInspection]) -> Result<Option<usize>, Vec<String>> {
    let owned = |alike: Vec<&str>| alike.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let qualified: Vec<_> = tables.iter().map(TableInspection::qualified).collect();
    match find(wanted, qualified.iter().map(AsRef::as_ref)).map_err(owned)? {
        Some(at) => Ok(Some(at)),
        // A table of another schema that is named without it.
        None => match find(wanted, tables.iter().map(|table| table.name.as_str())) {
            Ok(None) => Ok(None),
            Ok(Some(at)) if tables.iter().filter(|table| table.name == tables[at].name).count() == 1 => {
                Ok(Some(at))
            }
            _ => {
                let alike = (0..tables.len()).filter(|at| folded(&tables[*at].name) == folded(wanted));
                Err(alike.map(|at| qualified[at].clone().into_owned()).collect())
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(schema: Option<&str>, name: &str) -> TableInspection {
        TableInspection {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
            columns: Vec::new(),
            key: Vec::new(),
            foreign_keys: Vec::new(),
            unique: Vec::new(),
            triggers: Vec::new(),
            provisioned: false,
        }
    }

    #[test]
    fn tables_of_other_schemas_are_named_with_their_schema_or_alone() {
        let tables = [
            table(None, "orders"),
            table(Some("sales"), "Orders"),
            table(Some("sales"), "till"),
            table(Some("a"), "x"),
            table(Some("b"), "x"),
        ];
        assert_eq!(find_table("Orders", &tables), Ok(Some(0)), "the default schema's goes before");
        assert_eq!(find_table("sales.orders", &tables), Ok(Some(1)));
        assert_eq!(find_table("Till", &tables), Ok(Some(2)));
        assert_eq!(find_table("x", &tables), Err(vec!["a.x".to_owned(), "b.x".to_owned()]));
        assert_eq!(find_table("b.x", &tables), Ok(Some(4)));
        assert_eq!(find_table("nowhere", &tables), Ok(None));
    }

    #[test]
    fn spelling_goes_before_likeness_and_likeness_must_be_unique() {
        assert_eq!(find("InvoiceLine", ["invoice_line", "x"]), Ok(Some(0)));
        assert_eq!(find("ab", ["a_b", "ab"]), Ok(Some(1)));
        assert_eq!(find("AB", ["a_b", "ab"]), Err(vec!["a_b", "ab"]));
        assert_eq!(find("y", ["x"]), Ok(None));
    }
}
