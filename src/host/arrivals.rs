//! Cgroups that come and go in a directory are guarded. systemd removes a slice when the last unit in it ends, and makes it again with the
//! next one: a directory that was named and is gone is waited for.

use super::Host;
use super::directories::{Directory, Holds};
use super::visit::{Visit, name_of};
use crate::cgroup::hierarchy::directory_of;
use crate::cgroup::{Cgroup, names_in};
use crate::escape::shown;
use crate::status::Level;
use crate::targets::pods::{self, PodsEntry};
use crate::ward::Ward;
use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::path::Path;

impl Host {
    /// Watches a directory that was asked for, and guards what is in it by now.
    ///
    /// # Errors
    /// Without inotify, and when it is no directory of cgroups.
    pub(super) fn visit_directory(&mut self, path: &Path, holds: Holds) -> Result<()> {
        let directory = Directory::new(path, holds, true);
        ensure!(Cgroup::open(path)?.is_real(), "{} is not in a cgroup v2 file system", shown(path));
        let number = self.watch_directory(directory)?;
        self.watch_ways(path)?;
        self.look_into(number);
        Ok(())
    }

    fn watch_directory(&mut self, directory: Directory) -> Result<usize> {
        let visit = self.visit.as_mut().context("not attached to anything")?;
        let number = visit.directories.next_number();
        let watcher = self.ensure_watcher();
        let watch = watcher.and_then(|it| it.watch_directory(&directory.path, number));
        watch.with_context(|| format!("watch {}", shown(&directory.path)))?;
        self.visit.iter_mut().for_each(|visit| visit.directories.add(number, directory.clone()));
        Ok(number)
    }

    /// Watches those that lead to this one, as far as they are there.
    fn watch_ways(&mut self, path: &Path) -> Result<()> {
        let root = directory_of(Path::new("/")).unwrap_or_default();
        for way in path.ancestors().skip(1).take_while(|way| way.starts_with(&root)) {
            let watched = self.visit.as_ref().is_some_and(|it| it.directories.watches(way));
            if watched || !way.is_dir() {
                continue;
            }
            match self.watch_directory(Directory::new(way, Holds::Way, false)) {
                Err(error) if way.is_dir() => return Err(error),
                // Gone meanwhile, which the one around it tells.
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Guards what is in a directory and is not guarded yet.
    fn look_into(&mut self, number: usize) {
        let visit = self.visit.as_ref();
        let Some(path) = visit.and_then(|it| it.directories.get(number)).map(|it| it.path.clone())
        else {
            return;
        };
        names_in(&path).iter().for_each(|name| self.arrived(number, name));
    }

    /// A cgroup was made. Gone by now is an outcome; one that cannot be guarded is told, and the others are.
    pub(super) fn arrived(&mut self, number: usize, name: &OsStr) {
        let visit = self.visit.as_ref();
        let Some((path, holds)) = visit.and_then(|it| it.directories.path_of(number, name)) else {
            return;
        };
        match holds {
            Holds::Workloads => self.workload_arrived(&path, name_of(&path)),
            Holds::Containers => {
                if let Some(name) = pods::container_name(name) {
                    self.workload_arrived(&path, name);
                }
            }
            Holds::Pods => match pods::entry(name) {
                Some(PodsEntry::Class) => self.pods_arrived(&path, Holds::Pods),
                Some(PodsEntry::Pod) => self.pods_arrived(&path, Holds::Containers),
                None => {}
            },
            Holds::Way => self.look_for_directories(),
        }
    }

    fn workload_arrived(&mut self, path: &Path, name: String) {
        let passed_over = self.visit.as_ref().is_some_and(|visit| visit.passes_over(path));
        if !passed_over && !self.wards.iter().any(|ward| ward.is_in(path)) {
            self.join_while_there(path, name, "is not guarded");
        }
    }

    fn pods_arrived(&mut self, path: &Path, holds: Holds) {
        if self.visit.as_ref().is_some_and(|visit| visit.directories.watches(path)) {
            return;
        }
        match self.watch_directory(Directory::new(path, holds, false)) {
            Ok(number) => self.look_into(number),
            Err(error) if path.is_dir() => {
                let path = shown(path);
                self.say(Level::Warning, format!("what is in {path} is not guarded: {error:#}"));
            }
            // Gone by now.
            Err(_) => {}
        }
    }

    /// A cgroup was removed: it ends nobody's life, and its ward is over. One of the same name may be there by now.
    pub(super) fn left(&mut self, number: usize, name: &OsStr) {
        let Some(visit) = &mut self.visit else { return };
        let Some((path, holds)) = visit.directories.path_of(number, name) else { return };
        visit.let_go.retain(|gone| *gone != path);
        self.wards.iter_mut().filter(|ward| ward.is_in(&path)).for_each(Ward::look);
        if matches!(holds, Holds::Pods | Holds::Way) {
            self.look_for_directories();
        }
    }

    /// Directories may be gone, or have come again.
    pub(super) fn look_for_directories(&mut self) {
        let Some(visit) = &mut self.visit else { return };
        for (number, directory) in visit.directories.take_gone() {
            self.watcher.iter_mut().for_each(|watcher| watcher.unwatch_directory(number));
            if !directory.named {
                continue;
            }
            let path = shown(&directory.path);
            self.visit.iter_mut().for_each(|it| it.directories.awaited.push(directory.clone()));
            self.say(Level::Info, format!("{path} is gone: it is guarded when it comes again"));
        }
        let awaited = |visit: &mut Visit| std::mem::take(&mut visit.directories.awaited);
        for directory in self.visit.as_mut().map(awaited).unwrap_or_default() {
            if let Err(error) = self.look_for(&directory) {
                let path = shown(&directory.path);
                self.say(Level::Warning, format!("{path} is not waited for: {error:#}"));
            }
        }
    }

    /// Guards one that is there again. Else those that lead to it are watched, and what was made before they were is not told.
    fn look_for(&mut self, directory: &Directory) -> Result<()> {
        let path = &directory.path;
        loop {
            let there = path.ancestors().filter(|way| way.is_dir()).count();
            if path.is_dir() {
                match self.come_again(directory) {
                    Err(_) if !path.is_dir() => continue,
                    result => return result,
                }
            }
            self.watch_ways(path)?;
            if path.ancestors().filter(|way| way.is_dir()).count() == there {
                let visit = self.visit.as_mut().context("not attached to anything")?;
                visit.directories.awaited.push(directory.clone());
                return Ok(());
            }
        }
    }

    fn come_again(&mut self, directory: &Directory) -> Result<()> {
        if self.visit.as_ref().is_some_and(|visit| visit.pool.is_some()) {
            self.join_pool_anew(&directory.path);
        }
        self.say(Level::Info, format!("{} is there again", shown(&directory.path)));
        self.visit_directory(&directory.path, directory.holds)
    }

    /// More happened than we were told: everything is looked at.
    pub(super) fn catch_up(&mut self) {
        self.look_for_directories();
        let numbers = self.visit.as_ref().map(|visit| visit.directories.numbers());
        numbers.unwrap_or_default().into_iter().for_each(|number| self.look_into(number));
        self.each_ward(Host::changed);
    }
}
