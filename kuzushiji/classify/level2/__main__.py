# PYTHON_ARGCOMPLETE_OK
"""The second level: `python -m kuzushiji.classify.level2 DETAILED… FEATURES… [--save-model M | --load-model M]`."""

from kuzushiji import cli
from kuzushiji.classify.level2.config import Level2Config
from kuzushiji.stage import Command


class Level2(Command):
    """Train models that choose among the candidates of each box, across the folds, or apply them to test pages.

    Training prints their out-of-fold scores. When they are applied, --use-xgb, --use-lgb,
    --seg-fp-adjust and --min-probability count of the options of training, if they are given.
    """

    config: Level2Config

    def execute(self) -> int:
        """Train, or write a submission."""
        from kuzushiji.classify.level2.submit import ApplyLevel2
        from kuzushiji.classify.level2.train import TrainLevel2
        from kuzushiji.data.paths import DataRoot

        config, root = self.config, DataRoot.find(self.config.data_root)
        if config.load_model and config.output:
            return ApplyLevel2(config, config.load_model, config.output, root).execute()
        return TrainLevel2(config, root).execute()


main = Level2.main

if __name__ == "__main__":
    cli.run(main)
