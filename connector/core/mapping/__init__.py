"""The mapping language: text to rules (parse), rules and catalogs (check, bind), records to documents (evaluate)."""
