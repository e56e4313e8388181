//! What every adapter has to capture: every committed change of a synchronised column, with the row as it is in the
//! same snapshot, no change twice, and none that is not one.
//!
//! [`crate::capture_contract!`] makes a test of each check.

pub mod incarnation;
pub mod keys;
pub mod live;
pub mod objects;
pub mod scan;
pub mod values;

/// Makes a test of every check of what adapters capture: `capture_contract!(block_on, factory)`, with a function
/// that runs a future to its end and an expression that makes a
/// [`crate::contract::fixture::Factory`]; or with `list` in front a list of names and functions, for a harness of
/// another kind.
#[macro_export]
macro_rules! capture_contract {
    (list $block_on:path, $factory:expr) => {
        $crate::capture_contract!(@all list, $block_on, $factory)
    };
    ($block_on:path, $factory:expr) => {
        $crate::capture_contract!(@all tests, $block_on, $factory);
    };
    (@all $how:ident, $block_on:path, $factory:expr) => {
        $crate::capture_contract! { @$how $block_on, $factory,
            live {
                changes_carry_their_rows
                any_position_can_be_resumed
                a_cell_changed_again_comes_once
                statements_of_many_rows
                no_change_is_no_change
                columns_that_are_not_synchronised
                rolled_back_changes_never_were
                savepoints_take_their_part_back
                an_open_transaction_shows_nothing
                news_is_told
                a_position_of_another_database_is_refused
            }
            keys {
                key_updates_delete_the_old_key
                keys_are_swapped_by_way_of_a_third
                keys_move_up_in_one_statement
                composite_and_text_keys
                odd_names
            }
            scan {
                rows_that_were_there_come_once
                a_scan_goes_on_where_it_stopped
                edits_during_a_scan_come_once
                an_empty_table_is_scanned_at_once
                a_chunk_has_to_be_claimed
            }
            objects {
                provisioning_twice_changes_nothing
                a_dry_run_shows_what_runs
                removal_leaves_what_was_there
                missing_tables_are_created
                states_name_what_is_wrong
                another_members_database_is_refused
                the_token_is_compared_and_set
                listings_end_with_publication
                inspection_finds_what_was_made
                the_clock_runs
            }
            incarnation {
                what_is_in_doubt_is_made_anew
                an_incarnation_begins_once
                untracked_rows_of_an_earlier_life
                a_table_that_was_not_scanned_begins_anew
                apply_knows_both_names
            }
            values {
                every_type_at_its_edges
                every_key_type
                statements_for_operators_run
                rows_by_key
            }
        }
    };
    (@tests $block_on:path, $factory:expr, $($module:ident { $($check:ident)* })*) => {
        $($crate::capture_contract!(@module $module, $block_on, $factory, $($check)*);)*
    };
    (@list $block_on:path, $factory:expr, $($module:ident { $($check:ident)* })*) => {
        vec![$($(
            (
                concat!(stringify!($module), "::", stringify!($check)),
                (|| $block_on($crate::contract::capture::$module::$check(&$factory))) as fn(),
            ),
        )*)*]
    };
    (@module $module:ident, $block_on:path, $factory:expr, $($check:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $check() {
                    $block_on($crate::contract::capture::$module::$check(&$factory));
                }
            )*
        }
    };
}
