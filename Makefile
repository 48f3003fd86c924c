# The front door; each target is one command that works without make as well.
.PHONY: help demo test unit check deploy-check letters-check faces lock contracts dashboards
PYTHON ?= python3
# Whoever names a Python, as in `make demo PYTHON=python3.12`, gets it; otherwise the newest is looked for.
export BOOTSTRAP_PYTHON := $(filter-out python3,$(PYTHON))

help: ## say what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

demo: ## set up, then run the main job on made-up people
	$(PYTHON) deploy/bootstrap.py demo

test: ## set up, then run every check and test
	$(PYTHON) deploy/bootstrap.py test

unit: ## set up, then run the quick tests, which need no server
	$(PYTHON) deploy/bootstrap.py unit

check: ## style, types, walls and contracts, no test
	.venv/bin/python deploy/checks.py static

deploy-check: ## what takes long or needs npm: the rules of the API, requests by the thousand, dashboards at a minute
	.venv/bin/python deploy/api/check.py
	.venv/bin/python deploy/api/fuzz.py
	.venv/bin/python deploy/grafana/check.py

letters-check: ## veraPDF judges every variant of letters, for print and for screens
	.venv/bin/python deploy/letters/check.py

faces: ## install the faces of other scripts, for names and addresses on letters
	$(PYTHON) deploy/letters/faces.py

lock: ## write the lock files anew
	deploy/lock.sh

contracts: ## generate code and pages from proto/ and the definitions of documents
	.venv/bin/python proto/generate.py
	.venv/bin/python proto/documents.py

dashboards: ## build the dashboards
	.venv/bin/python deploy/grafana/dashboards.py

.PHONY: peers peers-smoke
peers: ## Heraut and its peers side by side, on a quiet machine: the table goes to loadtests/results
	.venv/bin/python -m loadtests.peers

peers-smoke: ## the cheapest peer alone, with few people: does it still tell everybody once?
	.venv/bin/python -m loadtests.peers --smoke

.PHONY: chart-check image-check supply
deploy-check: image-check chart-check upgrade-check restore-check
chart-check: ## the Helm chart as a cluster would read it, and its pods run here; needs Go, Node.js, Maven and Java
	.venv/bin/python -m deploy.helm.check

image-check: ## the image's steps, and the whole of compose, without an engine; needs Go
	.venv/bin/python -m deploy.image_steps
	.venv/bin/python -m deploy.compose.check
	.venv/bin/python -m deploy.compose.stack

supply: ## what the image is made of (CycloneDX), and what is known against its parts
	.venv/bin/python -m deploy.supply

.PHONY: upgrade-check
upgrade-check: ## code of deploy/upgrade-from is replaced by this one's while people are told, on both logs
	.venv/bin/python -m loadtests.chaos --upgrade --people 6000 --log postgres
	.venv/bin/python -m loadtests.chaos --upgrade --people 6000 --log kafka

.PHONY: restore-check
restore-check: ## a database is set back to a backup beside providers that went on: nobody is told twice
	.venv/bin/python deploy/restoring.py
