"""`./dev bench --against` where there is nothing to compare with: a plain sentence, and status 2, before anything is built."""

import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Against(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="holdfast-against-")
        self.addCleanup(shutil.rmtree, self.directory)
        shutil.copy(os.path.join(ROOT, "dev"), self.directory)
        shutil.copytree(os.path.join(ROOT, "tests/bench"), os.path.join(self.directory, "tests/bench"))

    def refused(self, *arguments):
        ran = subprocess.run(["./dev", "bench", "--against", *arguments], cwd=self.directory, capture_output=True,
                             text=True, check=False)
        self.assertEqual(ran.returncode, 2, ran.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.directory, "build")))
        return ran.stderr

    def git(self, *arguments):
        subprocess.run(["git", "-c", "user.name=test", "-c", "user.email=test@localhost", *arguments], check=True,
                       cwd=self.directory, stdout=subprocess.DEVNULL)

    def test_an_archive_without_git(self):
        self.assertIn("not a git checkout", self.refused("HEAD"))

    def test_no_commit_named(self):
        self.assertIn("usage", self.refused())

    @unittest.skipUnless(shutil.which("git"), "git is not installed")
    def test_an_unknown_commit_and_an_unknown_figure(self):
        self.git("init", "--quiet")
        self.git("commit", "--quiet", "--allow-empty", "--message", "nothing")
        self.assertIn("there is no commit 'nosuch'", self.refused("nosuch"))
        self.assertIn("there is no figure 'codec'", self.refused("HEAD", "codec"))


if __name__ == "__main__":
    unittest.main()
