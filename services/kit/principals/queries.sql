-- Tokens that open once.

-- name: spend
select log.spend($1, $2)
