//! Runtimes that are told the limit size themselves by it: a program that fills its heap to what it thinks it has lives, and is ended where they
//! are not told. Runs where the runtimes are.

use crate::support::{Scene, has_program, skip};
use std::process::Command;

const JAVA: &str = "public class Fill {
  public static void main(String[] args) {
    long most = Runtime.getRuntime().maxMemory() * 85 / 100;
    java.util.List<byte[]> held = new java.util.ArrayList<>();
    for (long sum = 0; sum < most; sum += 1 << 16) {
      byte[] part = new byte[1 << 16];
      java.util.Arrays.fill(part, (byte) 1);
      held.add(part);
    }
    System.out.println(\"full\");
  }
}";

const NODE: &str = "const most = require('v8').getHeapStatistics().heap_size_limit * 0.7, held = [];
while (process.memoryUsage().heapUsed < most) held.push(Array.from({ length: 4096 }, (_, n) => n + 0.5));
console.log('full');";

/// Half of what it may have is garbage, which it collects only at its limit.
const GO: &str = "package main
import (\"fmt\"; \"runtime/debug\")
func part() []byte { part := make([]byte, 1 << 20); for at := range part { part[at] = 1 }; return part }
func main() {
  debug.SetGCPercent(-1)
  most := debug.SetMemoryLimit(-1)
  held := [][]byte{}
  for sum := int64(0); sum < most / 2; sum += 1 << 20 { held = append(held, part()) }
  for n := 0; n < 1000; n++ { held[n % len(held)][0] = part()[1] }
  fmt.Println(\"full\")
}";

const LIMIT: &str = "SENTINEL_MEMORY_LIMIT";
const RUNTIMES: [&str; 5] = [
    "GOMEMLIMIT",
    "NODE_OPTIONS",
    "JAVA_TOOL_OPTIONS",
    "DOTNET_GCHeapHardLimit",
    "MALLOC_ARENA_MAX",
];

/// What the command hears of its limit.
fn told(scene: &Scene, options: &[&str], command: &[&str]) -> String {
    let run = scene.run(options, command).expect(0);
    let lines = run.stdout();
    let ours = |line: &&str| {
        let name = line.split('=').next().unwrap();
        // What is set where the tests run stays.
        name == LIMIT || RUNTIMES.contains(&name) && std::env::var_os(name).is_none()
    };
    lines.lines().filter(ours).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_command_knows_its_limit_and_its_runtime_on_request() {
    let scene = Scene::new();
    let limit = "SENTINEL_MEMORY_LIMIT=314572800";
    assert_eq!(told(&scene, &["-m", "300M"], &["env"]), limit);
    let all = told(&scene, &["-m", "300M", "--tell-runtimes"], &["env"]);
    assert!(all.lines().any(|line| line == limit), "{all}");
    for name in RUNTIMES {
        let is_told = all.lines().any(|line| line.starts_with(&format!("{name}=")));
        assert_eq!(is_told, std::env::var_os(name).is_none(), "{name}: {all}");
    }
    // One within another: the inner limit counts.
    let inner = [
        &crate::support::binary(),
        "--plain",
        "--socket",
        "off",
        "-m",
        "100M",
        "--tell-runtimes",
        "env",
    ];
    let within = told(&scene, &["-m", "300M", "--tell-runtimes"], &inner);
    assert_eq!(within.matches("SENTINEL_MEMORY_LIMIT=").count(), 1, "{within}");
    assert!(within.contains("SENTINEL_MEMORY_LIMIT=104857600"), "{within}");
    assert_ne!(within.lines().count(), 1, "{within}");
    assert!(
        within.lines().filter(|line| !line.starts_with("MALLOC")).all(|line| !all.contains(line)),
        "{within}"
    );
}

/// Lives if it is told, and not otherwise.
fn fills_what_it_is_told(scene: &Scene, command: &[&str]) {
    let told = scene.run(&["-m", "300M", "--tell-runtimes"], command);
    let told = told.expect(0);
    assert!(told.stdout().ends_with("full\n"), "{told:?}");
    let untold = scene.run(&["-m", "300M"], command);
    // What grows by a GiB a second may meet the second line on its way.
    assert!(matches!(untold.code(), 143 | 137), "{untold:?}");
    untold.says("reached the limit 300.0M");
}

#[test]
fn java_fills_what_it_is_told() {
    if !has_program("javac") {
        return skip("no Java");
    }
    let scene = Scene::new();
    let source = scene.write("Fill.java", JAVA);
    let built = Command::new("javac").arg("-d").arg(scene.dir()).arg(source).status().unwrap();
    assert!(built.success());
    let place = scene.path(".").display().to_string();
    fills_what_it_is_told(&scene, &["java", "-cp", &place, "Fill"]);
}

#[test]
fn node_fills_what_it_is_told() {
    if !has_program("node") {
        return skip("no Node.js");
    }
    fills_what_it_is_told(&Scene::new(), &["node", "-e", NODE]);
}

#[test]
fn go_fills_what_it_is_told() {
    if !has_program("go") {
        return skip("no Go");
    }
    let scene = Scene::new();
    let (source, program) = (scene.write("fill.go", GO), scene.path("fill").display().to_string());
    let mut build = Command::new("go");
    build.args(["build", "-o", &program]).arg(source).env("GOCACHE", scene.path("cache"));
    assert!(build.env("GOFLAGS", "-mod=mod").status().unwrap().success());
    fills_what_it_is_told(&scene, &[&program]);
}
