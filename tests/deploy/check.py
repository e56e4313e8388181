"""Holds deploy/ to what can be told without running it. The test deploy.rs runs this; requirements.txt is what it needs.

Decides nothing about what the programs of others accept beyond their published schemas and linters: whether the stack starts
is not seen here.
"""

import json
import pathlib
import re
import subprocess
import sys

import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
problems = []


def expect(holds, what):
    if not holds:
        problems.append(what)


def read_yaml(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def properties(path):
    """Java's properties, as far as our files use them: name=value, `\\\\` for a backslash."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return {name: value.replace("\\\\", "\\") for name, value in pairs}


def everything_can_be_read():
    for path in DEPLOY.rglob("*"):
        if path.suffix in {".yaml", ".yml"}:
            read_yaml(path)
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))


def compose():
    stack = read_yaml(DEPLOY / "compose.yaml")
    schema = json.loads((ROOT / "tests/data/compose-spec/compose-spec.json").read_text(encoding="utf-8"))
    for error in jsonschema.Draft7Validator(schema).iter_errors(stack):
        problems.append(f"compose.yaml, {'.'.join(map(str, error.path))}: {error.message}")
    services, volumes = stack["services"], stack["volumes"]
    once = {name for name, service in services.items() if service.get("restart") != "unless-stopped"}
    for name, service in services.items():
        image = service["image"]
        version = image.rpartition(":")[2] if ":" in image else ""
        expect(version and version != "latest", f"{name}: {image} names no version")
        expect(service.get("user", "root").split(":")[0] not in {"root", "0"}, f"{name} runs as root")
        expect("no-new-privileges:true" in service.get("security_opt", []), f"{name} may get new rights")
        expect(service.get("read_only") or name in {"kafka", "sqlserver"}, f"{name} has a root that can be written")
        expect(not service.get("privileged"), f"{name} is privileged")
        expect(name in once or name == "tributary" or "healthcheck" in service, f"{name} has no health check")
        for port in service.get("ports", []):
            expect(port.startswith("127.0.0.1:"), f"{name}: port {port} can be reached from outside")
        for needed, how in service.get("depends_on", {}).items():
            expect(needed in services, f"{name} depends on {needed}, which is not there")
            done = how["condition"] == "service_completed_successfully"
            expect(done == (needed in once), f"{name} waits for {needed} in the wrong way")
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                expect((DEPLOY / source).exists(), f"{name} mounts {source}, which is not there")
                expect(mount.endswith(":ro"), f"{name} may write to {source}")
            else:
                expect(source in volumes, f"{name} mounts the volume {source}, which is not declared")
        for secret in service.get("secrets", []):
            expect(secret in stack["secrets"], f"{name} wants the secret {secret}, which is not declared")
        for variable, value in (service.get("environment") or {}).items():
            secret = re.search("PASSWORD|SECRET|TOKEN", variable) and not variable.endswith("_FILE")
            expect(not secret, f"{name}: {variable} stands in the file: {value}")
    used = {mount.split(":")[0] for service in services.values() for mount in service.get("volumes", [])}
    expect(set(volumes) <= used, f"volumes that nobody mounts: {set(volumes) - used}")


def brokers():
    """The stack's broker is set as the fragment says, but for what takes three of them."""
    wanted = properties(DEPLOY / "kafka/broker.properties")
    environment = read_yaml(DEPLOY / "compose.yaml")["services"]["kafka"]["environment"]
    for name, value in wanted.items():
        variable = "KAFKA_" + name.upper().replace(".", "_")
        alone = name.endswith(("replication.factor", "min.isr", "insync.replicas"))
        found = environment.get(variable)
        expect(found == ("1" if alone else value), f"compose.yaml: {variable} is {found}, broker.properties has {value}")


def group_file():
    schema = json.loads((ROOT / "schemas/group-file.schema.json").read_text(encoding="utf-8"))
    group = read_yaml(DEPLOY / "group.yaml")
    for error in jsonschema.validators.validator_for(schema)(schema).iter_errors(group):
        problems.append(f"group.yaml, {'.'.join(map(str, error.path))}: {error.message}")
    stack = read_yaml(DEPLOY / "compose.yaml")["services"]
    # Who is named is there, where the stack has it.
    listeners = stack["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    for broker in group["log"]["kafka"]["brokers"]:
        expect(f"//{broker}" in listeners, f"group.yaml: no listener of the stack's broker is {broker}")
    expect(group["log"]["kafka"]["registry"] in stack["registry-setup"]["command"], "the registry has two addresses")
    port = group["metrics"]["listen"].rpartition(":")[2]
    scraped = read_yaml(DEPLOY / "prometheus/prometheus.yml")["scrape_configs"][0]["static_configs"][0]
    expect(scraped["targets"] == [f"tributary:{port}"], "Prometheus asks elsewhere than group.yaml says")
    expect(scraped["labels"]["group"] == group["group"], "Prometheus calls the group otherwise")
    docker = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    expect(f"/dev/tcp/127.0.0.1/{port}" in docker, "the image looks for its health elsewhere than group.yaml says")


def dockerfile():
    found = subprocess.run(
        [pathlib.Path(sys.executable).parent / "hadolint", "--no-color", DEPLOY / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    expect(found.returncode == 0, f"hadolint: {found.stdout}{found.stderr}")
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    toolchain = re.search(r'channel = "([^"]+)"', (ROOT / "rust-toolchain.toml").read_text(encoding="utf-8"))[1]
    images = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    expect(images[0].startswith(f"rust:{toolchain}-"), f"{images[0]} is not the toolchain {toolchain}")
    expect(f"RUSTUP_TOOLCHAIN={toolchain}" in text, f"RUSTUP_TOOLCHAIN is not {toolchain}")
    for image in images:
        expect(re.search(r":.*\d", image), f"{image} names no version")
    users = re.findall(r"^USER (\S+)", text, re.MULTILINE)
    expect(users and re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]), f"the image ends as user {users}")
    for word in ["HEALTHCHECK", "LABEL", "ENTRYPOINT ["]:
        expect(word in text, f"the image has no {word}")


def sinks():
    folder = DEPLOY / "kafka/sinks"
    worker = properties(folder / "worker.properties")
    expect(worker["connector.client.config.override.policy"] == "All", "worker.properties allows no overrides")
    configurations = {path.name: json.loads(path.read_text(encoding="utf-8"))["config"] for path in folder.glob("*.json")}
    configurations["file.properties"] = properties(folder / "file.properties")
    described = (folder / "README.md").read_text(encoding="utf-8")
    for name, sink in configurations.items():
        expect(f"`{name}`" in described, f"sinks/README.md does not speak of {name}")
        expect(sink["consumer.override.isolation.level"] == "read_committed", f"{name} reads what was not committed")
        expect(sink["consumer.override.auto.offset.reset"] == "earliest", f"{name} does not begin at the beginning")
        transforms = sink["transforms"].split(",")
        for transform in transforms:
            expect(f"transforms.{transform}.type" in sink, f"{name}: {transform} has no type")
        named = {key.split(".")[1] for key in sink if key.startswith("transforms.")}
        expect(named == set(transforms), f"{name}: transforms {named} are set, {transforms} are used")
        # The default waits for the null behind a delete, which comes weeks later.
        mode = sink["transforms.row.delete.tombstone.handling.mode"]
        expect(mode in {"delete-to-tombstone", "rewrite"}, f"{name} would pass over deletes: {mode}")
        topics = sink.get("topics.regex") or re.escape(sink["topics"])
        expect(re.fullmatch(topics, "tributary.retail.resolved.Customer"), f"{name} reads {topics}")
        expect(not re.fullmatch(topics, "tributary.retail.changes.Customer"), f"{name} reads changes, too")
        for key, value in sink.items():
            clear = key.endswith("password") and not value.startswith("${file:")
            expect(not clear, f"{name}: {key} stands in the file")


def alerts():
    rules = read_yaml(DEPLOY / "prometheus/rules.yml")["groups"]
    tested = {
        test["alertname"]
        for suite in read_yaml(DEPLOY / "prometheus/rules.test.yml")["tests"]
        for test in suite.get("alert_rule_test", [])
        if test.get("exp_alerts")
    }
    for rule in (rule for group in rules for rule in group["rules"] if "alert" in rule):
        name = rule["alert"]
        expect(name in tested, f"no test has the alert {name} fire")
        expect(rule["labels"]["severity"] in {"page", "ticket"}, f"{name} has another severity")
        expect({"summary", "description"} <= set(rule["annotations"]), f"{name} does not say what to do")


for check in [everything_can_be_read, compose, brokers, group_file, dockerfile, sinks, alerts]:
    check()
for problem in problems:
    print(problem)
sys.exit(1 if problems else 0)
