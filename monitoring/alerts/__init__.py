"""What is wrong with the installation: measured every few seconds, stored once, counted, and gone when its cause is.

`engine` judges in the scheduler process, `store` reads, `people` holds what admins do, `thresholds` what they set.
"""
