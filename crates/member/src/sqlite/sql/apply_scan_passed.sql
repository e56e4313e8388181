-- Whether a row that is there lies within what the first scan has claimed, in the order in which it reads the keys.
SELECT ({base_key}) <= ({claim_parameters}) FROM {base} AS b WHERE {base_match}
