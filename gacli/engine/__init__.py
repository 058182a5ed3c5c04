"""The control loop: reads, decides by the policy, and acts through the ports; everything of weight is journalled."""
